package api

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// Workloads keeps streams of images; server/workload does.
type Workloads interface {
	Create(ctx context.Context, name string, filter job.Operation) (job.Workload, error)
	Workload(ctx context.Context, id int64) (job.Workload, error)
	Workloads(ctx context.Context, after int64, most int) ([]job.Workload, error)
	Rename(ctx context.Context, id int64, name string) error
	Cancel(ctx context.Context, id int64) error
	Delete(ctx context.Context, id int64) error
	Upload(ctx context.Context, workload int64, body io.Reader) (job.Image, error)
	Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) ([]job.Image, error)
	Open(ctx context.Context, workload, id int64, filtered bool) (*os.File, error)
}

// workload is one as it is answered.
type workload struct {
	ID       int64   `json:"workload_id" doc:"its id" example:"1"`
	Filter   string  `json:"filter" doc:"the operation that is done to its images" example:"grayscale"`
	Name     string  `json:"workload_name" doc:"its name" example:"holidays"`
	Status   string  `json:"status" enum:"scheduling,running,completed" doc:"where it stands"`
	Running  int     `json:"running_jobs" doc:"images that are being worked on"`
	Filtered []int64 `json:"filtered_images" doc:"ids of the images that are done, in order"`
}

// deletedWorkload is the answer to the end of one.
type deletedWorkload struct {
	ID int64 `json:"workload_id"`
}

// statusPage is the answer to GET /status.
type statusPage struct {
	Name   string     `json:"system_name" example:"Spillway"`
	Time   time.Time  `json:"server_time"`
	Active []workload `json:"active_workloads" doc:"those that have not completed"`
}

// workloadPage is a page of the list.
type workloadPage struct {
	Workloads []workload `json:"workloads"`
	Next      string     `json:"next_cursor,omitempty" doc:"for cursor, where there are more"`
}

// listed is how many workloads or images are read at once.
const listed = 100

// addWorkloads declares the calls for workloads, where there are any.
func (a *API) addWorkloads() {
	if a.cfg.Workloads == nil {
		return
	}
	one := a.answers(answer[workload](a, http.StatusOK, "The workload"), http.StatusBadRequest, http.StatusNotFound)
	declare := func(method, path, id, summary string, role job.Role, responses map[string]*huma.Response, f func(http.ResponseWriter, *http.Request) error) {
		op := huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"workloads"}, Summary: summary, Responses: responses}
		for _, name := range []string{"workload_id", "image_id"} {
			if strings.Contains(path, "{"+name+"}") {
				op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger}})
			}
		}
		a.stream(op, by(role), f)
	}
	gone := a.answers(answer[deletedWorkload](a, http.StatusOK, "It is deleted"), http.StatusBadRequest, http.StatusNotFound)
	octets := a.answers(described{http.StatusOK, &huma.Response{Description: "The bytes", Content: map[string]*huma.MediaType{"image/*": {}, "application/zip": {}}}}, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict)
	declare("GET", "/status", "status", "What goes on", job.Viewer, a.answers(answer[statusPage](a, http.StatusOK, "What goes on")), a.status)
	declare("POST", "/workloads", "create-workload", "Make a workload; filter and workload_name as JSON, form or query", job.Operator, one, a.createWorkload)
	declare("GET", "/workloads", "list-workloads", "Workloads by id; ?cursor= for the next page", job.Viewer, a.answers(answer[workloadPage](a, http.StatusOK, "A page"), http.StatusBadRequest), a.listWorkloads)
	declare("GET", "/workloads/{workload_id}", "workload", "A workload", job.Viewer, one, a.getWorkload)
	declare("PATCH", "/workloads/{workload_id}", "rename-workload", "Give a workload another workload_name", job.Operator, one, a.renameWorkload)
	declare("DELETE", "/workloads/{workload_id}", "delete-workload", "Delete a workload with all its files", job.Operator, gone, a.deleteWorkload)
	declare("POST", "/workloads/{workload_id}/cancel", "cancel-workload", "End the work on what is not filtered yet", job.Operator, one, a.cancelWorkload)
	declare("GET", "/workloads/{workload_id}/zip", "zip-workload", "The filtered images as a zip", job.Viewer, octets, a.zipWorkload)
	declare("POST", "/images", "upload-image", "Upload a picture as multipart, with workload_id and type", job.Operator, a.answers(answer[uploaded](a, http.StatusOK, "It is kept"), http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge), a.postImage)
	declare("GET", "/images/{image_id}", "image", "The bytes of an image; workload_id and type as query or form", job.Viewer, octets, a.getImage)
}

// show is a workload as it is answered.
func (a *API) show(ctx context.Context, l job.Workload) (workload, error) {
	v := workload{ID: l.ID, Filter: l.Filter.String(), Name: l.Name, Status: "completed", Filtered: []int64{}}
	open := l.Images == 0
	for after := int64(-1); ; {
		images, err := a.cfg.Workloads.Images(ctx, l.ID, "", after, 10*listed)
		if err != nil {
			return v, err
		}
		for _, i := range images {
			after = i.ID
			switch i.State {
			case job.ImageDone:
				v.Filtered = append(v.Filtered, i.ID)
			case job.ImageWorking:
				v.Running++
			case job.ImageArriving, job.ImageWaiting:
				open = true
			case job.ImageFailed:
			}
		}
		if len(images) == 0 {
			break
		}
	}
	switch {
	case v.Running > 0, open && len(v.Filtered) > 0:
		v.Status = "running"
	case open:
		v.Status = "scheduling"
	}
	return v, nil
}

// answerWorkload answers with a workload.
func (a *API) answerWorkload(w http.ResponseWriter, r *http.Request, id int64) error {
	l, err := a.cfg.Workloads.Workload(r.Context(), id)
	if err != nil {
		return err
	}
	v, err := a.show(r.Context(), l)
	if err != nil {
		return err
	}
	return write(w, v)
}

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	s := statusPage{Name: "Spillway", Time: time.Now().UTC(), Active: []workload{}}
	for after := int64(0); ; {
		all, err := a.cfg.Workloads.Workloads(r.Context(), after, listed)
		if err != nil {
			return err
		}
		for _, l := range all {
			after = l.ID
			v, err := a.show(r.Context(), l)
			if err != nil {
				return err
			}
			if v.Status != "completed" {
				s.Active = append(s.Active, v)
			}
		}
		if len(all) == 0 {
			return write(w, s)
		}
	}
}

func (a *API) listWorkloads(w http.ResponseWriter, r *http.Request) error {
	var after int64
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		var err error
		if after, err = number("cursor", cursor); err != nil {
			return err
		}
	}
	all, err := a.cfg.Workloads.Workloads(r.Context(), after, listed)
	if err != nil {
		return err
	}
	p := workloadPage{Workloads: []workload{}}
	for _, l := range all {
		v, err := a.show(r.Context(), l)
		if err != nil {
			return err
		}
		p.Workloads = append(p.Workloads, v)
	}
	if len(all) == listed {
		p.Next = strconv.FormatInt(all[listed-1].ID, 10)
	}
	return write(w, p)
}

// fieldsOf are what a request says, wherever it says it. A body that begins with { is
// JSON whatever its content type. Errors: InvalidArgument.
func fieldsOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	values := r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, smallBody))
	if err != nil {
		return nil, unreadable("read the body", err)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if trimmed := bytes.TrimSpace(body); bytes.HasPrefix(trimmed, []byte("{")) {
		var fields map[string]any
		d := json.NewDecoder(bytes.NewReader(trimmed))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			return nil, unreadable("read the body", err)
		}
		for name, v := range fields {
			switch v := v.(type) {
			case string:
				values.Set(name, v)
			case json.Number:
				values.Set(name, v.String())
			}
		}
		return values, nil
	}
	if kind == "multipart/form-data" {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err := multipartForm(r, kind); err != nil {
			return nil, unreadable("read the body", err)
		}
		maps.Copy(values, r.MultipartForm.Value)
		return values, nil
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, unreadable("read the body", err)
	}
	maps.Copy(values, form)
	return values, nil
}

func (a *API) createWorkload(w http.ResponseWriter, r *http.Request) error {
	fields, err := fieldsOf(w, r)
	if err != nil {
		return err
	}
	filter, name := fields.Get("filter"), fields.Get("workload_name")
	if filter == "" {
		filter = "grayscale"
	}
	if name == "" {
		name = "workload-" + strings.ToLower(rand.Text()[:8])
	}
	op, err := a.filter(r.Context(), filter)
	if err != nil {
		return err
	}
	l, err := a.cfg.Workloads.Create(r.Context(), name, op)
	if err != nil {
		return err
	}
	return a.answerWorkload(w, r, l.ID)
}

// filter reads the name of an operation on images. Errors: InvalidArgument.
func (a *API) filter(ctx context.Context, text string) (job.Operation, error) {
	op, err := job.ParseOperation(text)
	if err != nil {
		return op, err
	}
	nodes, err := a.cfg.Nodes.Nodes(ctx)
	if err != nil {
		return op, err
	}
	offered := []job.OperationInfo{{Name: "grayscale"}, {Name: "blur"}} // also while no node is there
	for _, n := range nodes {
		for _, i := range n.Operations {
			if i.Name != job.NoOperation && !strings.Contains(i.Name, ":") {
				offered = append([]job.OperationInfo{i}, offered...)
			}
		}
	}
	info, err := job.FindOperation(offered, op)
	if err != nil {
		return op, err
	}
	_, err = info.Check(op)
	return op, err
}

// number reads an id. Errors: InvalidArgument.
func number(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, job.E(job.InvalidArgument, what, errors.New("it is not a whole number from 0"), "send "+what+" as the server gave it")
	}
	return n, nil
}

func workloadID(r *http.Request) (int64, error) {
	return number("workload_id", r.PathValue("workload_id"))
}

func (a *API) getWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err != nil {
		return err
	}
	return a.answerWorkload(w, r, id)
}

func (a *API) renameWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err != nil {
		return err
	}
	fields, err := fieldsOf(w, r)
	if err == nil {
		err = a.cfg.Workloads.Rename(r.Context(), id, fields.Get("workload_name"))
	}
	if err != nil {
		return err
	}
	return a.answerWorkload(w, r, id)
}

func (a *API) deleteWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err == nil {
		err = a.cfg.Workloads.Delete(r.Context(), id)
	}
	if err != nil {
		return err
	}
	return write(w, deletedWorkload{id})
}

func (a *API) cancelWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err == nil {
		err = a.cfg.Workloads.Cancel(r.Context(), id)
	}
	if err != nil {
		return err
	}
	return a.answerWorkload(w, r, id)
}

func (a *API) zipWorkload(w http.ResponseWriter, r *http.Request) error {
	id, err := workloadID(r)
	if err != nil {
		return err
	}
	if _, err := a.cfg.Workloads.Workload(r.Context(), id); err != nil {
		return err
	}
	attach(w, "application/zip", "workload-"+strconv.FormatInt(id, 10)+".zip")
	out, end := outgoing(w)
	defer end()
	z := zip.NewWriter(out)
	for after := int64(-1); ; {
		images, err := a.cfg.Workloads.Images(r.Context(), id, job.ImageDone, after, listed)
		for _, i := range images {
			after = i.ID
			if err = a.pack(r.Context(), z, i); err != nil {
				break
			}
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
		}
		if len(images) == 0 {
			break
		}
	}
	_ = z.Close() // the caller has left: there is nobody to tell
	return nil
}

// pack adds a filtered image to a zip, as it is: pictures are compressed already.
func (a *API) pack(ctx context.Context, z *zip.Writer, i job.Image) error {
	f, err := a.cfg.Workloads.Open(ctx, i.Workload, i.ID, true)
	if err != nil {
		return err
	}
	defer f.Close()
	entry, err := z.CreateHeader(&zip.FileHeader{Name: i.Result, Method: zip.Store})
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, f)
	return err
}

package api

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// Workloads keeps streams of images; server/workload does.
type Workloads interface {
	Create(ctx context.Context, name string, filter job.Operation) (job.Workload, error)
	Workload(ctx context.Context, id int64) (job.Workload, error)
	Workloads(ctx context.Context, after int64, most int) ([]job.Workload, error)
	OpenWorkloads(ctx context.Context, idle bool, after int64, most int) ([]job.Workload, error)
	WorkloadProgress(ctx context.Context, id int64) (job.Progress, error)
	Rename(ctx context.Context, id int64, name string) error
	Cancel(ctx context.Context, id int64) error
	Delete(ctx context.Context, id int64) error
	Receive(ctx context.Context, body io.Reader, size int64) (job.Upload, error)
	Keep(ctx context.Context, workload int64, u job.Upload) (job.Image, error)
	KeepTwin(ctx context.Context, workload int64, image *int64, u job.Upload, by job.NodeID) (job.Image, error)
	Drop(u job.Upload)
	Holds(ctx context.Context, workload, image int64, node job.NodeID) error
	Image(ctx context.Context, workload, id int64) (job.Image, error)
	Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) ([]job.Image, error)
	Open(ctx context.Context, workload, id int64, filtered bool) (*os.File, job.Image, error)
}

// workload is one as it is answered.
type workload struct {
	ID       int64   `json:"workload_id" doc:"its id" example:"1"`
	Filter   string  `json:"filter" doc:"the operation that is done to its images" example:"grayscale"`
	Name     string  `json:"workload_name" doc:"its name" example:"holidays"`
	Status   string  `json:"status" enum:"scheduling,running,completed" doc:"where it stands"`
	Running  int64   `json:"running_jobs" doc:"images that are being worked on"`
	Filtered []int64 `json:"filtered_images" doc:"ids of the images that are done, in order"`
}

// deletedWorkload is the answer to the end of one.
type deletedWorkload struct {
	ID int64 `json:"workload_id"`
}

// The states of a workload.
const (
	scheduling = "scheduling" // it has no images, or nothing is done of what it has
	running    = "running"
	completed  = "completed" // all images are done, or failed
)

// listed is how many workloads or images are read at once.
const listed = 100

// addWorkloads declares the calls for workloads, where there are any.
func (a *API) addWorkloads() {
	if a.cfg.Workloads == nil {
		return
	}
	one := a.answers(answer[workload](a, http.StatusOK, "The workload"), http.StatusBadRequest, http.StatusNotFound)
	made := a.answers(answer[workload](a, http.StatusOK, "The workload"), http.StatusBadRequest, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	deleted := a.answers(answer[deletedWorkload](a, http.StatusOK, "It is gone"), http.StatusBadRequest, http.StatusNotFound)
	zipped := a.answers(described{http.StatusOK, &huma.Response{Description: "The zip", Content: bytesOf("application/zip")}}, http.StatusBadRequest, http.StatusNotFound)
	declare := func(method, path, id, summary string, responses map[string]*huma.Response) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"workloads"}, Summary: summary, Responses: responses}
	}
	with := func(op huma.Operation, fields ...string) huma.Operation {
		if len(fields) > 0 {
			op.RequestBody = fieldsBody(fields...)
			op.Parameters = queryParams(fields...)
		}
		if strings.Contains(op.Path, "{workload_id}") {
			op.Parameters = append(op.Parameters, idParam("workload_id"))
		}
		return op
	}
	const each = "/workloads/{workload_id}"
	a.stream(declare("GET", "/status", "status", "What goes on", a.answers(answer[statusPage](a, http.StatusOK, "What goes on"))), by(job.Viewer), a.status)
	a.stream(with(declare("POST", "/workloads", "create-workload", "Make a workload", made), "filter", "workload_name"), by(job.Operator), a.createWorkload)
	register(a, declare("GET", "/workloads", "list-workloads", "List the workloads", nil), by(job.Viewer), a.listWorkloads)
	a.stream(with(declare("GET", each, "workload", "A workload", one)), by(job.Viewer), a.getWorkload)
	a.stream(with(declare("PATCH", each, "rename-workload", "Give a workload another name; its folder stays", one), "workload_name"), by(job.Operator), a.renameWorkload)
	a.stream(with(declare("DELETE", each, "delete-workload", "Delete a workload with all its files", deleted)), by(job.Operator), a.deleteWorkload)
	a.stream(with(declare("POST", each+"/cancel", "cancel-workload", "End the work on what is not filtered yet", one)), by(job.Operator), a.cancelWorkload)
	a.stream(with(declare("GET", each+"/zip", "zip-workload", "The filtered images as a zip", zipped)), by(job.Viewer), a.zipWorkload)
	register(a, declare("GET", each+"/images", "list-images", "List the images of a workload, and why they failed", nil), by(job.Viewer), a.listImages)
	a.addImages()
}

// fieldsBody describes a body of fields, all of which may be left out, and bytesOf one
// of bytes.
func fieldsBody(names ...string) *huma.RequestBody {
	s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}}
	for _, name := range names {
		s.Properties[name] = &huma.Schema{Type: huma.TypeString}
	}
	b := &huma.RequestBody{Description: "The same fields may stand in the query instead.", Content: map[string]*huma.MediaType{}}
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"} {
		b.Content[kind] = &huma.MediaType{Schema: s}
	}
	return b
}

func bytesOf(kind string) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
}

func queryParams(names ...string) (all []*huma.Param) {
	for _, name := range names {
		all = append(all, &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	return all
}

func idParam(name string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger}}
}

// show is a workload as it is answered.
func (a *API) show(ctx context.Context, l job.Workload) (workload, error) {
	v := workload{ID: l.ID, Filter: l.Filter.String(), Name: l.Name, Status: completed, Filtered: []int64{}}
	if l.Images == 0 { // as of thousands that are listed, maybe
		v.Status = scheduling
		return v, nil
	}
	p, err := a.cfg.Workloads.WorkloadProgress(ctx, l.ID)
	if err != nil {
		return v, err
	}
	v.Running, v.Filtered = p.Working, append(v.Filtered, p.Done...)
	switch {
	case p.Working > 0, p.Open > 0 && len(p.Done) > 0:
		v.Status = running
	case p.Open > 0:
		v.Status = scheduling
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

// filter reads the name of an operation on images. Errors: InvalidArgument, Unavailable
// (no node is there to know it).
func (a *API) filter(ctx context.Context, text string) (job.Operation, error) {
	op, err := job.ParseOperation(text)
	if err != nil {
		return op, err
	}
	if name, video := strings.CutPrefix(op.Name, job.VideoPrefix); video {
		return op, job.E(job.InvalidArgument, "filter", errors.New("it is for videos, and workloads are of images"), "use "+name)
	}
	nodes, err := a.cfg.Nodes.Nodes(ctx)
	if err != nil {
		return op, err
	}
	info, err := job.FindOperation(filters(nodes), op)
	if err == nil {
		_, err = info.Check(op)
	}
	if err != nil && !slices.ContainsFunc(nodes, func(n job.Node) bool { return len(n.Operations) > 0 }) {
		return op, job.E(job.Unavailable, "filter", errors.New("no node has told yet what it can do"), "start a node, or come again soon; grayscale and blur can be had already")
	}
	return op, err
}

// filters are the operations that make a picture of a picture, each once.
func filters(nodes []job.Node) (all []job.OperationInfo) {
	for _, n := range nodes {
		for _, i := range n.Operations {
			switch i.Name {
			case job.NoOperation, job.CreateVideo, job.ExtractFrames, job.Stems, job.Karaoke, job.FaceIdentity, "metadata", "face_landmarks":
				continue // of other files, or to other files
			}
			if !strings.HasPrefix(i.Name, job.VideoPrefix) && !offers(all, i.Name) {
				all = append(all, i)
			}
		}
	}
	for _, name := range []string{"grayscale", "blur"} { // also while no node is there
		if !offers(all, name) {
			all = append(all, job.OperationInfo{Name: name})
		}
	}
	return all
}

func offers(all []job.OperationInfo, name string) bool {
	return slices.ContainsFunc(all, func(i job.OperationInfo) bool { return i.Name == name })
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

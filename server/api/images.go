package api

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/server/files"
)

// uploaded is the answer to an upload.
type uploaded struct {
	Workload int64  `json:"workload_id"`
	Image    int64  `json:"image_id" doc:"from 0 within the workload, in upload order"`
	Type     string `json:"type" enum:"original,filtered"`
}

// imageBytes bounds a whole upload.
const imageBytes = 256 << 20

// The types of an image.
const (
	original = "original"
	filtered = "filtered"
)

// soon is when to ask again for an image that is not filtered yet.
const soon = time.Second

// addImages declares the calls for images.
func (a *API) addImages() {
	// What a node may fetch and deliver is checked by the task that it has.
	viewer, operator := access{role: job.Viewer, scopes: []string{nodeScope}}, access{role: job.Operator, scopes: []string{nodeScope}}
	form := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"workload_id": {Type: huma.TypeInteger}, "type": {Type: huma.TypeString, Enum: []any{original, filtered}},
		"image_id": {Type: huma.TypeInteger, Description: "of whose original a filtered image is the twin"},
		"file":     {Type: huma.TypeString, Format: "binary", Description: "the picture; the part may have any name"},
	}}
	parts := bytesOf("application/octet-stream")
	parts["multipart/form-data"] = &huma.MediaType{Schema: form}
	a.stream(huma.Operation{
		OperationID: "upload-image", Method: http.MethodPost, Path: "/images", Tags: []string{"workloads"}, Summary: "Upload a picture",
		Description: "It is filtered by itself, and answered at once. A body that is no form is the picture itself, with the fields in the query. " +
			"With the type filtered it is the twin of an image that there is: of image_id, else of the number that its file's name begins with, else of the first that has none.",
		Parameters: queryParams("workload_id", "type", "image_id"), RequestBody: &huma.RequestBody{Required: true, Content: parts},
		Responses: a.answers(answer[uploaded](a, http.StatusOK, "It is kept"), http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound,
			http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInsufficientStorage),
	}, operator, a.postImage)
	a.stream(huma.Operation{
		OperationID: "image", Method: http.MethodGet, Path: "/images/{image_id}", Tags: []string{"workloads"}, Summary: "The bytes of an image",
		Description: "With ETag and Range. workload_id and type (original, filtered) may also come as a form in the body. An image that is not filtered yet is 409 with Retry-After; one that could not be, 422 with the reason.",
		Parameters:  append(queryParams("workload_id", "type"), idParam("image_id")),
		Responses: a.answers(described{http.StatusOK, &huma.Response{Description: "The bytes", Content: bytesOf("image/*")}},
			http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, viewer, a.getImage)
}

// postImage takes one picture.
func (a *API) postImage(w http.ResponseWriter, r *http.Request) error {
	most := fmt.Sprintf("an upload is %d MiB at the most", imageBytes>>20)
	if r.ContentLength > imageBytes {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, most, "send less")
	}
	r.Body = http.MaxBytesReader(w, r.Body, imageBytes)
	p, err := a.receive(r)
	defer a.cfg.Workloads.Drop(p.upload)
	if err != nil {
		return imageProblem(badBody(w, err, "the picture", most))
	}
	answer, err := a.keep(r, p)
	if err != nil {
		return imageProblem(err)
	}
	return write(w, answer)
}

// keep gives an upload its place.
func (a *API) keep(r *http.Request, p picture) (uploaded, error) {
	node, _ := principal(r.Context()).Scope.Node()
	kind, err := imageType(p.fields.Get("type"))
	if err != nil {
		return uploaded{}, err
	}
	workload, err := number("workload_id", p.fields.Get("workload_id"))
	if err != nil {
		return uploaded{}, err
	}
	if kind == original && node != "" {
		return uploaded{}, job.E(job.PermissionDenied, "type", errors.New("a node delivers filtered images alone"), "send type=filtered, and image_id")
	}
	var i job.Image
	if kind == original {
		i, err = a.cfg.Workloads.Keep(r.Context(), workload, p.upload)
	} else {
		var twin *int64
		if twin, err = a.twin(r, workload, p); err == nil {
			i, err = a.cfg.Workloads.KeepTwin(r.Context(), workload, twin, p.upload, node)
		}
	}
	return uploaded{Workload: workload, Image: i.ID, Type: kind}, err
}

// twin is whose twin an upload is to be: that of image_id, or of the number that the
// name of its file begins with, where there is such an image. nil: nothing tells.
func (a *API) twin(r *http.Request, workload int64, p picture) (*int64, error) {
	if text := p.fields.Get("image_id"); text != "" {
		id, err := number("image_id", text)
		return &id, err
	}
	digits := p.name[:len(p.name)-len(strings.TrimLeft(p.name, "0123456789"))]
	id, err := strconv.ParseInt(digits, 10, 64) // 003.jpg is that of 3
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a name need not begin with a number
	}
	_, err = a.cfg.Workloads.Image(r.Context(), workload, id)
	if job.CodeOf(err) == job.NotFound && err != nil {
		return nil, nil //nolint:nilerr,nilnil // the number is something else
	}
	return &id, err
}

// imageType reads which image of two is meant. Errors: InvalidArgument.
func imageType(text string) (string, error) {
	switch text {
	case "", original:
		return original, nil
	case filtered:
		return filtered, nil
	}
	return "", job.E(job.InvalidArgument, "type", errors.New("it is neither original nor filtered"), "send original or filtered")
}

// imageProblem gives what has no room the status for it.
func imageProblem(err error) error {
	if errors.Is(err, files.ErrFull) {
		return fileProblem(err)
	}
	return err
}

// getImage answers with the bytes of an image, whole or in ranges.
func (a *API) getImage(w http.ResponseWriter, r *http.Request) error {
	id, err := number("image_id", r.PathValue("image_id"))
	if err != nil {
		return err
	}
	fields, err := fieldsOf(w, r)
	if err != nil {
		return err
	}
	of, err := number("workload_id", fields.Get("workload_id"))
	if err != nil {
		return err
	}
	kind, err := imageType(fields.Get("type"))
	if err != nil {
		return err
	}
	if node, is := principal(r.Context()).Scope.Node(); is {
		if kind == filtered {
			return job.E(job.PermissionDenied, "type", errors.New("a node fetches originals alone"), "send type=original")
		}
		if err := a.cfg.Workloads.Holds(r.Context(), of, id, node); err != nil {
			return err
		}
	}
	f, i, err := a.cfg.Workloads.Open(r.Context(), of, id, kind == filtered)
	if err != nil {
		return untwinned(i, err)
	}
	defer f.Close()
	return download(w, r, f, filepath.Base(f.Name()))
}

// untwinned tells why an image has no filtered twin, where that is what err is.
func untwinned(i job.Image, err error) error {
	switch {
	case job.CodeOf(err) != job.FailedPrecondition:
		return err
	case i.State == job.ImageFailed && i.Err != nil:
		return newProblem(http.StatusUnprocessableEntity, i.Err.Code, fmt.Sprintf("image %d could not be filtered: %v", i.ID, i.Err), i.Err.Hint)
	}
	p := newProblem(http.StatusConflict, job.FailedPrecondition, fmt.Sprintf("image %d is not filtered yet", i.ID), "ask again soon; filtered_images lists those that are")
	p.retryAfter = soon
	return p
}

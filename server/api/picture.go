package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"spillway/job"
)

// picture is an upload with what was said of it.
type picture struct {
	fields url.Values
	name   string // of the file, as the caller has it; often ""
	upload job.Upload
}

// receive reads a picture, which is a part of a form, or the body itself. Its fields may
// come after it: until it is kept, it is nobody's.
func (a *API) receive(r *http.Request) (p picture, err error) {
	if p.fields, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return p, job.E(job.InvalidArgument, "query", errors.New("it cannot be read"), "write it as in ?workload_id=1&type=original")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "multipart/") {
		if err = a.known(r, p); err == nil {
			p.upload, err = a.cfg.Workloads.Receive(r.Context(), r.Body, r.ContentLength)
		}
		return p, err
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return p, job.E(job.InvalidArgument, "upload", errors.New("the body is no form with parts"), "send the file with curl -F file=@a.jpg -F workload_id=ID")
	}
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			if p.upload.Name == "" {
				return p, job.E(job.InvalidArgument, "upload", errors.New("there is no file"), "send it with curl -F file=@a.jpg")
			}
			return p, nil
		}
		if err == nil {
			err = a.part(r, &p, part)
		}
		if err != nil {
			return p, err
		}
	}
	return p, job.E(job.InvalidArgument, "upload", errors.New("the form has too many parts"), "send one file, workload_id and type")
}

// part takes in one part of the form: the file, or a field. A part without a file's name
// is the file if it begins as a picture does.
func (a *API) part(r *http.Request, p *picture, part *multipart.Part) error {
	named := part.FileName() != ""
	switch name := part.FormName(); {
	case !named && (name == "workload_id" || name == "type" || name == "image_id"):
		value, err := io.ReadAll(io.LimitReader(part, 256))
		if err == nil {
			p.fields.Set(name, strings.TrimSpace(string(value)))
		}
		return err
	case !named:
		head := make([]byte, 16)
		n, err := io.ReadFull(part, head)
		if err != nil || !isPicture(head[:n]) {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return err // of a field that is none of ours
		}
		return a.file(r, p, io.MultiReader(bytes.NewReader(head[:n]), part))
	}
	p.name = part.FileName()
	return a.file(r, p, part)
}

// file takes in the file of a form. Its length is not told; that of the form is no less.
func (a *API) file(r *http.Request, p *picture, body io.Reader) error {
	if p.upload.Name != "" {
		return job.E(job.InvalidArgument, "upload", errors.New("there is more than one file"), "send them one by one")
	}
	err := a.known(r, *p)
	if err == nil {
		p.upload, err = a.cfg.Workloads.Receive(r.Context(), body, r.ContentLength)
	}
	return err
}

// largeBody is where looking up the workload costs little beside reading what is for it.
const largeBody = 1 << 20 // bytes

// known reports a workload that there is not, before a large file is read that is for it.
func (a *API) known(r *http.Request, p picture) error {
	text := p.fields.Get("workload_id")
	if _, node := principal(r.Context()).Scope.Node(); node || text == "" || r.ContentLength >= 0 && r.ContentLength < largeBody {
		return nil
	}
	id, err := number("workload_id", text)
	if err == nil {
		_, err = a.cfg.Workloads.Workload(r.Context(), id)
	}
	return err
}

// isPicture tells by its first bytes whether something may be a picture.
func isPicture(head []byte) bool {
	return strings.HasPrefix(http.DetectContentType(head), "image/") || isTIFF(head)
}

func isTIFF(head []byte) bool {
	return bytes.HasPrefix(head, []byte("II*\x00")) || bytes.HasPrefix(head, []byte("MM\x00*"))
}

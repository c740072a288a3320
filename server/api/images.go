package api

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"spillway/job"
)

// uploaded is the answer to an upload.
type uploaded struct {
	Workload int64  `json:"workload_id"`
	Image    int64  `json:"image_id" doc:"from 0 within the workload, in upload order"`
	Type     string `json:"type" enum:"original,filtered"`
}

// The bounds of an upload.
const (
	imageBytes = 256 << 20 // of a whole upload
	original   = "original"
	filtered   = "filtered"
)

// postImage takes one picture. A workload_id that comes before the file, or in the
// query, is used as the bytes come; else the file waits on the disk.
func (a *API) postImage(w http.ResponseWriter, r *http.Request) error {
	defer incoming(w, r, imageBytes)()
	parts, err := r.MultipartReader()
	if err != nil {
		return job.E(job.InvalidArgument, "upload", errors.New("the body is not multipart/form-data"), "send the file with curl -F file=@a.jpg -F workload_id=ID")
	}
	fields := r.URL.Query()
	held, err := holdFile(parts, fields)
	if held != nil {
		defer held.Close()
	}
	if err != nil {
		return badBody(w, err, "the picture", fmt.Sprintf("an upload is %d MiB at the most", imageBytes>>20))
	}
	if held == nil {
		return job.E(job.InvalidArgument, "upload", errors.New("there is no file"), "send it as a part with a file name")
	}
	if kind := fields.Get("type"); kind != "" && kind != original {
		if kind == filtered {
			return job.E(job.Unimplemented, "type", errors.New("filtered images are made by the server alone"), "upload originals; they are filtered by themselves")
		}
		return job.E(job.InvalidArgument, "type", errors.New("it is neither original nor filtered"), "leave it out, or send original")
	}
	id, err := number("workload_id", fields.Get("workload_id"))
	if err != nil {
		return err
	}
	i, err := a.cfg.Workloads.Upload(r.Context(), id, held)
	if err != nil {
		return err
	}
	return write(w, uploaded{Workload: id, Image: i.ID, Type: original})
}

// holdFile reads the fields, and puts the file where it is nobody's until it is closed:
// its fields may come after it. nil: there is none.
func holdFile(parts *multipart.Reader, fields url.Values) (held *os.File, err error) {
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return held, nil
		}
		if err != nil {
			return held, err
		}
		switch name := p.FormName(); {
		case name == "workload_id" || name == "type" || name == "image_id":
			value, err := io.ReadAll(io.LimitReader(p, 256))
			if err != nil {
				return held, err
			}
			fields.Set(name, string(value))
		case held != nil:
			return held, job.E(job.InvalidArgument, "upload", errors.New("there is more than one file"), "send them one by one")
		default:
			if held, err = os.CreateTemp("", "upload-*"); err != nil {
				return nil, err
			}
			_ = os.Remove(held.Name()) // it lives as long as it is open
			if _, err := io.Copy(held, p); err != nil {
				return held, err
			}
			if _, err := held.Seek(0, io.SeekStart); err != nil {
				return held, err
			}
		}
	}
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
	kind := fields.Get("type")
	if kind != "" && kind != original && kind != filtered {
		return job.E(job.InvalidArgument, "type", errors.New("it is neither original nor filtered"), "send original or filtered")
	}
	f, err := a.cfg.Workloads.Open(r.Context(), of, id, kind == filtered)
	if err != nil {
		return err
	}
	defer f.Close()
	return download(w, r, f, filepath.Base(f.Name()))
}

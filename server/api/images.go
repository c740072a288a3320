package api

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"time"

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
	imageBytes  = 256 << 20        // of a whole upload
	uploadPause = 30 * time.Second // between two pieces of it
	original    = "original"
	filtered    = "filtered"
)

// patient gives a body more time while bytes flow.
type patient struct {
	io.Reader
	c *http.ResponseController
}

func (p patient) Read(b []byte) (int, error) {
	_ = p.c.SetReadDeadline(time.Now().Add(uploadPause)) // a recorder in a test has none
	return p.Reader.Read(b)
}

// postImage takes one picture. A workload_id that comes before the file, or in the
// query, is used as the bytes come; else the file waits on the disk.
func (a *API) postImage(w http.ResponseWriter, r *http.Request) error {
	limited := http.MaxBytesReader(w, r.Body, imageBytes)
	r.Body = struct {
		io.Reader
		io.Closer
	}{patient{limited, http.NewResponseController(w)}, limited}
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
		return tooLarge(err)
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

// tooLarge is the error of a body that could not be read.
func tooLarge(err error) error {
	if _, known := errors.AsType[*job.Error](err); known {
		return err
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, fmt.Sprintf("the upload has more than %d MiB", imageBytes>>20), "send a smaller picture")
	}
	if _, disk := errors.AsType[*os.PathError](err); disk {
		return job.E(job.Unavailable, "upload", errors.New("the server has no room for it"), "try again later")
	}
	return unreadable("upload", err)
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
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
	http.ServeContent(w, r, info.Name(), info.ModTime(), f)
	return nil
}

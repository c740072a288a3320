package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tus/tusd/v2/pkg/handler"

	"spillway/job"
	"spillway/server/files"
)

// tusCall is one call of the protocol while it is answered. Errors are answered as all
// are, and not in the library's words, which may have paths in them.
type tusCall struct {
	http.ResponseWriter
	// last is done before an answer that is good; nil: nothing is.
	last   func() error
	err    error // why this package refuses the call
	status int   // of the error that is to be answered; 0: none is
	words  string
}

// tusKey is the tusCall of a context.
type tusKey struct{}

// refuse keeps the error of a hook for the answer.
func refuse(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if c, ok := ctx.Value(tusKey{}).(*tusCall); ok {
		c.err = err
	}
	return handler.NewError("ERR_REFUSED", "refused", http.StatusBadRequest)
}

// WriteHeader implements http.ResponseWriter. The library calls it while it has the lock
// of the upload.
func (c *tusCall) WriteHeader(status int) {
	if status < http.StatusBadRequest && c.last != nil {
		c.err = c.last()
	}
	if c.err != nil && status < http.StatusBadRequest {
		status = http.StatusBadRequest
	}
	if status >= http.StatusBadRequest {
		c.status = status
		return
	}
	if where := c.Header().Get("Location"); where != "" {
		// Without the host: the caller knows by which name it reaches the server, also
		// where something stands between.
		c.Header().Set("Location", uploadBase+where[strings.LastIndex(where, "/"):])
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *tusCall) Write(b []byte) (int, error) {
	if c.status == 0 {
		return c.ResponseWriter.Write(b)
	}
	c.words += string(b)
	return len(b), nil
}

// Unwrap lets http.ResponseController see the writer below.
func (c *tusCall) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// problem is the error that is to be answered, or nil.
func (c *tusCall) problem() error {
	if c.status == 0 {
		return nil
	}
	for _, name := range []string{"Content-Length", "Location", "Upload-Offset"} {
		c.Header().Del(name)
	}
	if c.err != nil {
		return fileProblem(c.err)
	}
	const later = "what has come is kept: ask how much with HEAD, and go on"
	code, words, _ := strings.Cut(c.words, ":")
	switch {
	case code == "ERR_UPLOAD_INTERRUPTED" || c.status == http.StatusLocked:
		c.Header().Set("Retry-After", "1")
		return newProblem(http.StatusLocked, job.Unavailable, "another call works on the upload", later)
	case code == "ERR_READ_TIMEOUT":
		return newProblem(http.StatusRequestTimeout, job.DeadlineExceeded, "nothing came for too long", later)
	case c.status == http.StatusInsufficientStorage:
		return fileProblem(job.E(job.ResourceExhausted, "upload", files.ErrFull, later+" when something was deleted"))
	case c.status >= http.StatusInternalServerError && c.status != http.StatusNotImplemented:
		return job.E(job.Unavailable, "upload", errors.New("the disk failed, or the connection"), later)
	case c.status == http.StatusConflict:
		return newProblem(c.status, job.FailedPrecondition, "Upload-Offset is not the number of bytes that have come", "ask for it with HEAD")
	case c.status == http.StatusPreconditionFailed:
		c.Header().Set("Tus-Version", "1.0.0")
	}
	words = strings.TrimSpace(words)
	if words == "" {
		words = "the upload was refused: " + http.StatusText(c.status)
	}
	return newProblem(c.status, codeOf(c.status), words, "https://tus.io/protocols/resumable-upload tells how uploads go")
}

package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"spillway/job"
)

// uploadBase is the path of uploads by the tus protocol.
const uploadBase = "/files/uploads"

// tusCall is one call of the protocol while it is answered.
type tusCall struct {
	http.ResponseWriter
	api    *API
	ctx    context.Context //nolint:containedctx // the answer's, for the log
	err    error           // why a hook has refused
	failed bool            // the answer is an error, which is written by itself
}

// WriteHeader implements http.ResponseWriter: errors are answered as all are, and
// the library's words, which may have paths in them, stay here.
func (c *tusCall) WriteHeader(status int) {
	if status < http.StatusBadRequest {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	c.failed = true
	for _, name := range []string{"Content-Length", "Location"} {
		c.Header().Del(name)
	}
	p := newProblem(status, codeOf(status), "the upload was refused: "+http.StatusText(status), "https://tus.io/protocols/resumable-upload tells how uploads go; HEAD tells how many bytes have come")
	if status == http.StatusInternalServerError {
		p = newProblem(http.StatusServiceUnavailable, job.Unavailable, "the disk failed, or is full", "what has come is kept: ask how much with HEAD, and go on later")
	}
	if c.err != nil {
		p = c.api.fail(c.ctx, fileProblem(c.err))
	}
	p.write(c.ResponseWriter)
}

// Write implements http.ResponseWriter.
func (c *tusCall) Write(b []byte) (int, error) {
	if c.failed {
		return len(b), nil
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController see the writer below.
func (c *tusCall) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// errRefused has the library answer with what the call's err says.
var errRefused = handler.NewError("ERR_REFUSED", "refused", http.StatusBadRequest)

// refuse keeps the error of a hook for the answer.
func refuse(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if c, ok := ctx.Value(tusKey{}).(*tusCall); ok {
		c.err = err
	}
	return errRefused
}

// tusKey is the tusCall of a context.
type tusKey struct{}

// addUploads mounts uploads that go on after a broken connection.
func (a *API) addUploads() {
	if a.cfg.Files == nil {
		return
	}
	h, err := handler.NewUnroutedHandler(handler.Config{
		StoreComposer: a.cfg.Files.Composer(), BasePath: uploadBase, DisableDownload: true, DisableConcatenation: true,
		Cors: &handler.CorsConfig{Disable: true}, NetworkTimeout: stalled,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // the audit log has who does what
		PreUploadCreateCallback: func(e handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
			changes, err := a.cfg.Files.Begin(principal(e.Context).User, e.Upload.Size, e.Upload.MetaData)
			return handler.HTTPResponse{}, changes, refuse(e.Context, err)
		},
		PreFinishResponseCallback: func(e handler.HookEvent) (handler.HTTPResponse, error) {
			return handler.HTTPResponse{}, refuse(e.Context, a.finish(e.Context, e.Upload))
		},
	})
	if err != nil {
		panic("uploads: " + err.Error()) // a fault of the program
	}
	one := uploadBase + "/{id}"
	a.mount("POST "+uploadBase, by(job.Operator), a.tus(h.Middleware(http.HandlerFunc(h.PostFile))))
	a.mount("OPTIONS "+uploadBase, by(job.Operator), a.tus(h.Middleware(http.NotFoundHandler())))
	a.mount("HEAD "+one, by(job.Operator), a.owned(h.Middleware(http.HandlerFunc(h.HeadFile))))
	a.mount("PATCH "+one, by(job.Operator), a.owned(h.Middleware(http.HandlerFunc(h.PatchFile))))
	a.mount("DELETE "+one, by(job.Operator), a.owned(h.Middleware(http.HandlerFunc(h.DelFile))))
}

// finish gives a whole upload its place, and keeps the connection while it takes.
func (a *API) finish(ctx context.Context, info handler.FileInfo) error {
	c, ok := ctx.Value(tusKey{}).(*tusCall)
	if !ok {
		return errors.New("no call")
	}
	control := http.NewResponseController(c.ResponseWriter)
	return a.cfg.Files.Finish(ctx, info, func() { _ = control.SetWriteDeadline(time.Now().Add(stalled)) })
}

// tus answers a call of the protocol.
func (a *API) tus(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("X-HTTP-Method-Override") // the guard has seen the method that it is
		c := &tusCall{ResponseWriter: w, api: a, ctx: r.Context()}
		defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
		h.ServeHTTP(c, r.WithContext(context.WithValue(r.Context(), tusKey{}, c)))
	})
}

// owned answers a call for an upload of the caller's, and finishes one that was whole
// when its end was cut off.
func (a *API) owned(h http.Handler) http.Handler {
	return a.tus(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, err := a.cfg.Files.Upload(principal(r.Context()).User, r.PathValue("id"))
		if err == nil && r.Method == http.MethodPatch && info.Offset == info.Size {
			if err = a.finish(r.Context(), info); err == nil {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if err != nil {
			a.fail(r.Context(), fileProblem(err)).write(w)
			return
		}
		http.StripPrefix(uploadBase, h).ServeHTTP(w, r) // the library takes the path for the id
		if r.Method != http.MethodDelete {
			return
		}
		if _, err := a.cfg.Files.Upload(principal(r.Context()).User, info.ID); err != nil {
			_ = a.cfg.Files.Ended(info) // the library has removed it: only the name is left to give free
		}
	}))
}

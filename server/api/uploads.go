package api

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"spillway/job"
)

// uploadBase is the path of uploads by the tus protocol.
const uploadBase = "/files/uploads"

const (
	// lockWait is how long a call waits for the one before it on the same upload.
	lockWait = 5 * time.Second
	// leftWait is how long the library keeps what it has of a call whose caller has left.
	leftWait = time.Second
)

type (
	uploadsIn struct {
		All bool `query:"all" doc:"those of all users, for admins"`
	}
	uploadsOut struct {
		Body struct {
			Uploads []uploadJSON `json:"uploads" nullable:"false" doc:"by folder and name"`
		}
	}
	uploadJSON struct {
		URL     string    `json:"url" doc:"where to go on" example:"/files/uploads/abcdefghijklmnopqrstuvwxyz"`
		Folder  string    `json:"folder"`
		Name    string    `json:"filename"`
		User    string    `json:"user"`
		Size    int64     `json:"size" doc:"bytes it is to have"`
		Offset  int64     `json:"offset" doc:"bytes that have come"`
		Expires time.Time `json:"expires" doc:"when it ends if no byte comes before"`
	}
)

// addUploads declares uploads that go on after a broken connection, if the server keeps
// files.
func (a *API) addUploads() {
	if a.cfg.Files == nil {
		return
	}
	h, err := handler.NewUnroutedHandler(handler.Config{
		StoreComposer: a.cfg.Files.Composer(), BasePath: uploadBase, DisableDownload: true, DisableConcatenation: true,
		Cors: &handler.CorsConfig{Disable: true}, NetworkTimeout: stalled,
		AcquireLockTimeout: lockWait, GracefulRequestCompletionTimeout: leftWait,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // the audit log has who does what
		PreUploadCreateCallback: func(e handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
			changes, err := a.cfg.Files.Begin(principal(e.Context).User, e.Upload.Size, e.Upload.MetaData)
			return handler.HTTPResponse{}, changes, refuse(e.Context, err)
		},
		PreFinishResponseCallback: func(e handler.HookEvent) (handler.HTTPResponse, error) {
			return handler.HTTPResponse{}, refuse(e.Context, a.finish(e.Context, e.Upload.ID))
		},
	})
	if err != nil {
		panic("uploads: " + err.Error()) // a fault of the program
	}
	register(a, huma.Operation{
		OperationID: "uploads", Method: http.MethodGet, Path: uploadBase, Tags: []string{"files"}, Summary: "List your uploads that may go on",
	}, by(job.Operator), a.uploads)
	for _, c := range a.tusCalls() {
		var serve func(w http.ResponseWriter, r *http.Request)
		switch c.Method {
		case http.MethodOptions:
			serve = http.NotFound // the library answers before
		case http.MethodPost:
			serve = h.PostFile
		case http.MethodHead:
			serve = h.HeadFile
		case http.MethodPatch:
			serve = h.PatchFile
		case http.MethodDelete:
			serve = h.DelFile
		}
		behind := http.StripPrefix(uploadBase, h.Middleware(http.HandlerFunc(serve))) // the library takes the path for the id
		a.stream(c, by(job.Operator), func(w http.ResponseWriter, r *http.Request) error { return a.tus(w, r, behind) })
	}
}

// uploads lists those that may go on.
func (a *API) uploads(ctx context.Context, in *uploadsIn) (*uploadsOut, error) {
	who := principal(ctx)
	user := who.User
	if in.All {
		if err := by(job.Admin).check(who); err != nil {
			return nil, err
		}
		user = ""
	}
	all, err := a.cfg.Files.Uploads(user)
	if err != nil {
		return nil, err
	}
	out := &uploadsOut{}
	out.Body.Uploads = []uploadJSON{}
	for _, u := range all {
		out.Body.Uploads = append(out.Body.Uploads, uploadJSON{uploadBase + "/" + u.ID, u.Folder, u.Name, u.User, u.Size, u.Offset, u.Expires.UTC()})
	}
	return out, nil
}

// finish gives a whole upload its place, whether the caller stays to hear of it or not,
// and keeps the connection while it takes.
func (a *API) finish(ctx context.Context, id string) error {
	c, ok := ctx.Value(tusKey{}).(*tusCall)
	if !ok {
		return errors.New("no call")
	}
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	go func() {
		select {
		case <-a.stopping:
			end()
		case <-ctx.Done():
		}
	}()
	control := http.NewResponseController(c.ResponseWriter)
	return a.cfg.Files.Finish(ctx, id, func() { _ = control.SetWriteDeadline(time.Now().Add(stalled)) })
}

// tus has the library answer a call of the protocol, of the caller's own uploads; an
// admin can end others', too. What is whole and has no place gets it before the caller
// is told that it is whole.
func (a *API) tus(w http.ResponseWriter, r *http.Request, behind http.Handler) error {
	w.Header().Set("Tus-Resumable", "1.0.0")
	r.Header.Del("X-HTTP-Method-Override") // the guard has seen the method that it is
	if err := checkMetadata(r.Header.Get("Upload-Metadata")); r.Method == http.MethodPost && err != nil {
		return err
	}
	c := &tusCall{ResponseWriter: w}
	ctx, end := context.WithCancel(context.WithValue(r.Context(), tusKey{}, c)) // the library waits for its end
	defer end()
	if id := r.PathValue("id"); id != "" {
		info, err := a.upload(r, id)
		if err != nil {
			return err
		}
		if info.Offset == info.Size && r.Method != http.MethodDelete {
			c.last = func() error { return a.finish(ctx, id) }
		}
	}
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	behind.ServeHTTP(c, r.WithContext(ctx))
	return c.problem()
}

// upload is an upload that the caller of r may work on. Errors: NotFound, Unavailable.
func (a *API) upload(r *http.Request, id string) (handler.FileInfo, error) {
	who := principal(r.Context())
	info, err := a.cfg.Files.Upload(who.User, id)
	if err != nil && r.Method == http.MethodDelete && who.Role.May(job.Admin) && info.ID == id {
		return info, nil
	}
	return info, err
}

// checkMetadata reports metadata of which the library would leave out a part without a
// word. Errors: InvalidArgument.
func checkMetadata(header string) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		_, err := base64.StdEncoding.DecodeString(value)
		if key == "" && header != "" || err != nil || seen[key] {
			return job.E(job.InvalidArgument, "Upload-Metadata", errors.New("it is not a list of different keys with values in base64"), "send as in folder Y2F0cw==,filename MS5wbmc=")
		}
		seen[key] = true
	}
	return nil
}

// userLeft ends what a user who is no more has begun.
func (a *API) userLeft(name string) {
	a.once.leave(name)
	if a.cfg.Files == nil {
		return
	}
	if err := a.cfg.Files.Leave(name); err != nil {
		a.cfg.Log.Warn("the uploads of a user who was removed have not all ended: they expire", "err", err)
	}
}

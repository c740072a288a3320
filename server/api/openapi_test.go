package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/account"
	"spillway/server/files"
	"spillway/server/store"
	workloads "spillway/server/workload"
)

// undescribed are the patterns that the description leaves out, and why.
var undescribed = map[string]string{
	"GET /openapi.json":        "the description itself",
	"GET /docs":                "the description for people",
	"GET /{$}":                 "it leads to /docs",
	"GET /metrics":             "Prometheus' own format",
	"GET /debug/pprof/":        "Go's own",
	"GET /debug/pprof/profile": "Go's own",
	"GET /debug/pprof/trace":   "Go's own",
}

// whole is an API with all its parts, over stores in memory, and the token of an admin.
type whole struct {
	*API
	cfg   Config
	token string
	root  string
}

func everything(t *testing.T) *whole {
	t.Helper()
	cfg, root := works(t)
	accounts := account.New(account.Config{}, store.NewMemory())
	name, _, err := accounts.First(t.Context())
	require.NoError(t, err)
	token, _, err := accounts.Issue(t.Context(), name, "", time.Hour)
	require.NoError(t, err)
	kept, err := files.Open(files.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	flows, err := workloads.New(workloads.Config{Dir: t.TempDir()}, cfg.Service, store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	songs := &jukebox{Memory: store.NewMemory(), dir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(songs.dir, "vocals.wav"), []byte("la"), 0o600))
	cfg.Accounts, cfg.Files, cfg.Workloads, cfg.Music = accounts, kept, flows, songs
	cfg.Metrics, cfg.Lines = http.NotFoundHandler(), NewLogRing(0)
	space := &ownFiles{files: map[string][]byte{}}
	cfg.Reach = func(job.Node) NodeSpace { return space }
	return &whole{API: New(cfg), cfg: cfg, token: token, root: root}
}

// visitPlan is a call as the walk makes it.
type visitPlan struct {
	id     string // the operation's
	path   string // "": the operation's own, with 1 for every parameter
	body   any    // nil: none; []byte: as it is; a form: its fields and a file; else as JSON
	status int    // of the answer
}

// form is the body of a form with a file.
type form map[string]string

// walk calls everything once, in an order in which each is well. JOB stands for the id of a
// job that has ended.
var walk = []visitPlan{
	{"healthz", "", nil, 200},
	{"readyz", "", nil, 200},
	{"login", "", map[string]string{"username": "grace", "password": "wrong password"}, 401},
	{"users", "", nil, 200},
	{"add-user", "", map[string]string{"name": "grace", "password": "a long password"}, 201},
	{"login", "", map[string]string{"username": "grace", "password": "a long password"}, 200},
	{"change-user", "/users/grace", map[string]string{"role": "operator"}, 204},
	{"issue-token", "", map[string]string{"scope": "metrics"}, 201},
	{"remove-user", "/users/grace", nil, 204},

	{"submit-job", "", map[string]any{"source": "more", "operation": map[string]any{"name": "blur", "params": map[string]any{"kernel": 7}}}, 201},
	{"submit-job", "", map[string]any{"source": "nowhere"}, 404},
	{"jobs", "/jobs?limit=1", nil, 200},
	{"job", "/jobs/JOB", nil, 200},
	{"job", "/jobs/none", nil, 404},
	{"tasks", "/jobs/JOB/tasks?limit=1", nil, 200},
	{"steps", "/jobs/JOB/steps", nil, 200},
	{"cancel-job", "/jobs/JOB/cancel", nil, 202},
	{"retry-job", "/jobs/JOB/retry", nil, 202},
	{"nodes", "", nil, 200},
	{"node", "/nodes/node_0", nil, 200},
	{"node", "/nodes/node_2", nil, 200},
	{"node-log", "/nodes/node_0/log", nil, 200},
	{"drain-node", "/nodes/node_0/drain", nil, 200},
	{"undrain-node", "/nodes/node_0/drain", nil, 200},
	{"put-node-file", "/nodes/node_0/files/a.png", []byte("picture"), 200},
	{"node-files", "/nodes/node_0/files", nil, 200},
	{"get-node-file", "/nodes/node_0/files/a.png", nil, 200},
	{"node-video", "/nodes/node_0/files/a.png/metadata", nil, 200},
	{"node-face", "/nodes/node_0/files/a.png/face", nil, 200},
	{"draw-mesh", "/nodes/node_0/files/a.png/mesh", nil, 200},
	{"extract-frames", "/nodes/node_0/files/a.png/extract", map[string]string{"rate": "5"}, 200},
	{"create-video", "/nodes/node_0/videos", map[string]any{"files": []string{"a.png"}, "output": "a.mp4"}, 200},
	{"node-activity", "/nodes/node_0/activity", nil, 200},
	{"delete-node-file", "/nodes/node_0/files/a.png", nil, 204},
	{"delete-node-files", "/nodes/node_0/files", nil, 204},
	{"operations", "", nil, 200},
	{"policies", "", nil, 200},
	{"log", "", nil, 200},

	{"add-music", "", []byte("la la"), 200},
	{"music", "", nil, 200},
	{"choose-tracks", "/music/1", []int{1}, 200},
	{"music-progress", "/music/1", nil, 200},
	{"music-file", "/music/1/vocals.wav", nil, 200},
	{"music-jobs", "", nil, 200},
	{"music-job", "/job/SONG", nil, 200},

	{"status", "", nil, 200},
	{"create-workload", "", map[string]string{"filter": "blur"}, 200},
	{"list-workloads", "", nil, 200},
	{"workload", "/workloads/1", nil, 200},
	{"rename-workload", "/workloads/1", map[string]string{"workload_name": "other"}, 200},
	{"upload-image", "", form{"workload_id": "1", "type": "original"}, 200},
	{"image", "/images/0?workload_id=1&type=original", nil, 200},
	{"zip-workload", "/workloads/1/zip", nil, 200},
	{"cancel-workload", "/workloads/1/cancel", nil, 200},
	{"delete-workload", "/workloads/1", nil, 200},

	{"put-file", "/files/cats/input_dir/1.png", []byte("picture"), 201},
	{"folders", "", nil, 200},
	{"uploads", "", nil, 200},
	{"folder", "/files/cats", nil, 200},
	{"get-file", "/files/cats/input_dir/1.png", nil, 200},
	{"zip-folder", "/files/cats/input_dir.zip", nil, 200},
	{"delete-file", "/files/cats/input_dir/1.png", nil, 204},
	{"delete-folder", "/files/cats", nil, 204},
}

// last ends what the others need.
var last = []visitPlan{
	{"reset-music", "", nil, 200},
	{"logout", "", nil, 200},
}

func TestOpenAPI_EveryCallAnswersAsItIsDescribed(t *testing.T) {
	w := everything(t)
	inputs(t, w.root, "data", "a.png", "bad.png")
	inputs(t, w.root, "more", "a.png") // a job of its own, which may run while the first is tried again
	id, err := w.cfg.Service.Submit(t.Context(), job.Spec{Source: "data"})
	require.NoError(t, err)
	ended(t, w.cfg.Service, id)

	ops := operations(w.huma.OpenAPI())
	called := map[string]bool{}
	song := ""
	visit := func(v visitPlan) {
		op := ops[v.id]
		if !called[v.id] {
			require.NotNil(t, op, "the walk calls %s, which is not described", v.id)
		}
		called[v.id] = true
		v.path = strings.NewReplacer("JOB", string(id), "SONG", song).Replace(v.path)
		got := w.call(t, op, v)
		require.Equal(t, v.status, got.Code, "%s: %s", v.id, got.Body)
		w.fits(t, op, got)
		if v.id == "music-jobs" {
			song = strings.FieldsFunc(got.Body.String(), func(r rune) bool { return r < '0' || r > '9' })[0]
		}
	}
	for _, v := range walk {
		visit(v)
	}
	for _, v := range last {
		called[v.id] = true
	}
	for id, op := range ops { // those that the walk does not know yet
		if called[id] {
			continue
		}
		if _, endless := op.Responses["200"]; endless && op.Responses["200"].Content["text/event-stream"] != nil {
			continue // their own tests listen to them
		}
		got := w.call(t, op, visitPlan{id: id})
		t.Logf("%s %s is not in the walk: it answered %d", op.Method, op.Path, got.Code)
		w.fits(t, op, got)
	}
	for _, v := range last {
		visit(v)
	}
}

// operations are the described calls by their id.
func operations(spec *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for _, item := range spec.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	return all
}

// call makes a call as an admin.
func (a *whole) call(t *testing.T, op *huma.Operation, v visitPlan) *httptest.ResponseRecorder {
	t.Helper()
	path := v.path
	if path == "" {
		path = regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(op.Path, "1")
	}
	var body bytes.Buffer
	kind := "application/json"
	switch b := v.body.(type) {
	case nil:
	case []byte:
		kind = "application/octet-stream"
		body.Write(b)
	case form:
		m := multipart.NewWriter(&body)
		part, err := m.CreateFormFile("file", "a.png")
		require.NoError(t, err)
		_, err = part.Write([]byte("\x89PNG\r\n\x1a\n and so on"))
		require.NoError(t, err)
		for name, value := range b {
			require.NoError(t, m.WriteField(name, value))
		}
		require.NoError(t, m.Close())
		kind = m.FormDataContentType()
	default:
		require.NoError(t, json.NewEncoder(&body).Encode(b))
	}
	r := httptest.NewRequestWithContext(t.Context(), op.Method, path, &body)
	r.Header.Set("Content-Type", kind)
	if !anybodys(op) {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// anybodys tells that a call needs no token.
func anybodys(op *huma.Operation) bool {
	return len(op.Security) == 0 || slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return len(s) == 0 })
}

// fits holds an answer against what is described of it.
func (a *whole) fits(t *testing.T, op *huma.Operation, w *httptest.ResponseRecorder) {
	t.Helper()
	at := fmt.Sprintf("%s %s answers %d", op.Method, op.Path, w.Code)
	require.Less(t, w.Code, 500, "%s: %s", at, w.Body)
	response := op.Responses[strconv.Itoa(w.Code)]
	if response == nil && w.Code >= 400 {
		response = op.Responses["default"]
	}
	require.NotNil(t, response, "%s, which is not described", at)
	if len(response.Content) == 0 {
		require.Empty(t, w.Body.String(), at)
		return
	}
	kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	require.NoError(t, err, at)
	media := response.Content[kind]
	if group, _, _ := strings.Cut(kind, "/"); media == nil {
		media = response.Content[group+"/*"]
	}
	require.NotNil(t, media, "%s with %s, which is not described", at, kind)
	if !strings.HasSuffix(kind, "json") {
		return
	}
	var body any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body), at)
	var result huma.ValidateResult
	huma.Validate(a.huma.OpenAPI().Components.Schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, body, &result)
	require.Empty(t, result.Errors, "%s with %s", at, w.Body)
}

func TestOpenAPI_HasEveryPatternOfTheServer(t *testing.T) {
	w := everything(t)
	described := map[string]bool{}
	for _, op := range operations(w.huma.OpenAPI()) {
		described[op.Method+" "+op.Path] = true
	}
	for pattern := range w.rules {
		require.NotEqual(t, described[pattern], undescribed[pattern] != "", "%s must either be described, or be in the list of those that are not", pattern)
	}
	for pattern := range described {
		_, served := w.rules[pattern]
		require.True(t, served, pattern)
	}
}

func TestOpenAPI_TellsWhoMayMakeACall(t *testing.T) {
	w := everything(t)
	cfg := w.cfg
	cfg.Accounts = holders{}
	a := New(cfg)
	for id, op := range operations(a.huma.OpenAPI()) {
		who := a.rules[op.Method+" "+op.Path]
		require.Equal(t, who.role == "", anybodys(op), id)
		if who.role == "" {
			continue
		}
		require.Contains(t, op.Security, map[string][]string{bearer: {}}, id)
		require.Contains(t, op.Description, "For the role "+string(who.role), id)
		path := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(op.Path, "1")
		require.Equal(t, http.StatusUnauthorized, problem(t, ask(t, a, "", op.Method, path, "")).Status, id)
		for _, role := range job.Roles() {
			if !role.May(who.role) {
				require.Equal(t, http.StatusForbidden, problem(t, ask(t, a, string(role), op.Method, path, "")).Status, id)
			}
		}
	}
}

package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/view"
)

// ownFiles are a node's own files, in memory.
type ownFiles struct {
	files  map[string][]byte
	part   []byte // of the file that comes
	opened int
	short  bool // files end early
}

func (s *ownFiles) Close() error {
	s.opened--
	return nil
}

func (s *ownFiles) file(name string) ([]byte, error) {
	if err := job.CheckFileName(name); err != nil {
		return nil, err
	}
	b, ok := s.files[name]
	if !ok {
		return nil, job.E(job.NotFound, "file "+name, errors.New("no such file"), "list them")
	}
	return b, nil
}

func (s *ownFiles) Put(_ context.Context, p job.Piece) error {
	if err := errors.Join(job.CheckFileName(p.Name), p.Check()); err != nil {
		return err
	}
	s.part = append(s.part[:p.Offset], p.Data...)
	if sum := sha256.Sum256(s.part); p.Last() && bytes.Equal(sum[:], p.Sum) {
		s.files[p.Name] = bytes.Clone(s.part)
	}
	return nil
}

func (s *ownFiles) Get(_ context.Context, name string, offset int64) (job.Piece, error) {
	b, err := s.file(name)
	if err != nil {
		return job.Piece{}, err
	}
	p := job.Piece{Name: name, Size: int64(len(b)), Offset: offset, Data: b[offset:min(int64(len(b)), offset+job.ChunkBytes)]}
	if sum := sha256.Sum256(b); p.Last() {
		p.Sum = sum[:]
		if s.short {
			p.Sum[0]++
		}
	}
	return p, nil
}

func (s *ownFiles) List(context.Context) (all []job.FileInfo, err error) {
	for name, b := range s.files {
		all = append(all, job.FileInfo{Name: name, Size: int64(len(b))})
	}
	slices.SortFunc(all, func(a, b job.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (s *ownFiles) Delete(_ context.Context, name string) error {
	_, err := s.file(name)
	delete(s.files, name)
	return err
}

func (s *ownFiles) DeleteAll(context.Context) error {
	clear(s.files)
	return nil
}

func (s *ownFiles) PutOffset(context.Context, string, int64) (int64, error) { return 0, nil }

func (s *ownFiles) View(context.Context) ([]job.Activity, error) {
	return []job.Activity{{File: "clip.12.png", Operation: "edges", Since: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}}, nil
}

func (s *ownFiles) Metadata(_ context.Context, name string) (job.VideoInfo, error) {
	if strings.HasPrefix(name, "bad") {
		return job.VideoInfo{}, job.E(job.DataLoss, "read "+name, errors.New("it is cut off"), "copy it again")
	}
	_, err := s.file(name)
	return job.VideoInfo{Rate: job.Rate{Num: 25, Den: 1}, Duration: 2 * time.Second, Width: 640, Height: 480, Codec: "h264", Frames: 50}, err
}

func (s *ownFiles) Extract(_ context.Context, e job.Extraction) ([]string, error) {
	_, err := s.file(e.Name)
	return []string{job.FrameName("clip", int64(e.From.Seconds()*e.Rate.Float()))}, err
}

func (s *ownFiles) Create(_ context.Context, c job.Creation) (string, error) { return c.Output, nil }

func (s *ownFiles) DetectFace(_ context.Context, name string) ([]job.Point, error) {
	if _, err := s.file(name); err != nil || name == "wall.png" {
		return nil, err
	}
	return make([]job.Point, job.FacePoints), nil
}

func (s *ownFiles) DrawMesh(_ context.Context, name string, _ []job.Point) (string, error) {
	return job.MeshPrefix + name, nil
}

// reached has node_0's own files behind its API.
func reached(t *testing.T) (*API, *ownFiles) {
	t.Helper()
	cfg, _ := works(t)
	s := &ownFiles{files: map[string][]byte{}}
	cfg.Reach = func(job.Node) NodeSpace {
		s.opened++
		return s
	}
	t.Cleanup(func() { require.Zero(t, s.opened, "each connection is closed") })
	return New(cfg), s
}

func TestNodeFiles_AreSentAndFetchedWhole(t *testing.T) {
	a, s := reached(t)
	for name, file := range map[string]string{"clip.avi": strings.Repeat("abc", job.ChunkBytes), "empty": "", "one piece": strings.Repeat("x", job.ChunkBytes)} {
		path := "/nodes/node_0/files/" + strings.ReplaceAll(name, " ", "%20")
		sent := answered[view.File](t, http.StatusOK, ask(t, a, "operator", "PUT", path, file))
		require.Equal(t, view.File{Name: name, Size: int64(len(file))}, sent)
		w := ask(t, a, "viewer", "GET", path, "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, file, w.Body.String())
		require.Contains(t, w.Header().Get("Content-Disposition"), "attachment")
		w = ask(t, a, "viewer", "HEAD", path, "")
		require.Equal(t, []any{http.StatusOK, strconv.Itoa(len(file)), 0}, []any{w.Code, w.Header().Get("Content-Length"), w.Body.Len()}, "HEAD fetches nothing")
	}
	list := answered[struct{ Files []view.File }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_0/files", ""))
	require.Len(t, list.Files, 3)
	require.Equal(t, http.StatusNoContent, ask(t, a, "operator", "DELETE", "/nodes/node_0/files/empty", "").Code)
	require.Equal(t, http.StatusNoContent, ask(t, a, "operator", "DELETE", "/nodes/node_0/files", "").Code)
	require.Empty(t, s.files)
}

func TestNodeFiles_WhatDoesNotComeWholeIsNotTakenForIt(t *testing.T) {
	a, s := reached(t)
	s.files["clip.avi"], s.short = bytes.Repeat([]byte("abc"), job.ChunkBytes), true
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { ask(t, a, "viewer", "GET", "/nodes/node_0/files/clip.avi", "") })

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/nodes/node_0/files/new.avi", strings.NewReader("abc"))
	r.Header.Set("Authorization", "Bearer operator")
	r.ContentLength = 4
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, problem(t, w).Status)
	r.ContentLength = -1
	w = httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusLengthRequired, problem(t, w).Status)
	require.NotContains(t, s.files, "new.avi")
}

func TestNodeFiles_MediaIsMadeOfThem(t *testing.T) {
	a, s := reached(t)
	s.files["clip.avi"], s.files["face.png"], s.files["wall.png"] = []byte("v"), []byte("f"), []byte("w")
	made := func(w *httptest.ResponseRecorder) string {
		return answered[struct{ Name string }](t, http.StatusOK, w).Name
	}
	v := answered[view.Video](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_0/files/clip.avi/metadata", ""))
	require.Equal(t, 25.0, v.Rate)
	require.Len(t, answered[view.Face](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_0/files/face.png/face", "")).Points, job.FacePoints)
	require.Equal(t, "mesh-face.png", made(ask(t, a, "operator", "POST", "/nodes/node_0/files/face.png/mesh", "")))
	require.Equal(t, "clip.mp4", made(ask(t, a, "operator", "POST", "/nodes/node_0/videos", `{"files":["face.png"],"output":"clip.mp4","rate":"25","duration":2}`)))
	frames := answered[struct{ Files []string }](t, http.StatusOK, ask(t, a, "operator", "POST", "/nodes/node_0/files/clip.avi/extract", `{"rate":"5","from":"10s"}`))
	require.Equal(t, []string{"clip.50.png"}, frames.Files)
	act := answered[struct{ Activity []view.Activity }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_0/activity", ""))
	require.Equal(t, "clip", act.Activity[0].Video)

	rows := []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/nodes/none/files", "", 404},
		{"GET", "/nodes/node_2/files", "", 503},
		{"GET", "/nodes/node_0/files/none", "", 404},
		{"GET", "/nodes/node_0/files/..%2f..%2fetc%2fpasswd", "", 400},
		{"GET", "/nodes/node_0/files/%00/metadata", "", 400},
		{"PUT", "/nodes/node_0/files/..%2fa", "x", 400},
		{"DELETE", "/nodes/node_0/files/none", "", 404},
		{"GET", "/nodes/node_0/files/wall.png/face", "", 404},
		{"GET", "/nodes/node_0/files/bad.avi/metadata", "", 422},
		{"POST", "/nodes/node_0/files/wall.png/mesh", "", 404},
		{"POST", "/nodes/node_0/files/clip.avi/extract", `{"rate":"many"}`, 400},
		{"POST", "/nodes/node_0/files/clip.avi/extract", `{"from":-1}`, 400},
		{"POST", "/nodes/node_0/videos", `{"files":[]}`, 422},
		{"POST", "/nodes/node_0/videos", `{"files":["a"],"duration":"long"}`, 400},
	}
	for _, row := range rows {
		p := problem(t, ask(t, a, "operator", row.method, row.path, row.body))
		require.Equal(t, row.status, p.Status, "%s %s: %s", row.method, row.path, p.What)
		require.NotEmpty(t, p.Hint)
	}
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", "DELETE", "/nodes/node_0/files", "").Code)
}

package api

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/files"
)

// filesRig is an API with folders of files.
func filesRig(t *testing.T, c files.Config) *API {
	t.Helper()
	c.Dir = t.TempDir()
	kept, err := files.Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	cfg := config()
	cfg.Files = kept
	return New(cfg)
}

func TestFiles_PutListGetZipDelete(t *testing.T) {
	a := filesRig(t, files.Config{})
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png", "picture").Code)
	require.Equal(t, 409, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png", "other").Code)
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/2.html?overwrite=true", "<script>").Code)

	require.JSONEq(t, `{"folders":["cats"]}`, ask(t, a, "viewer", "GET", "/files", "").Body.String())
	var list struct {
		Source string
		Files  []struct{ Dir, Name string }
		Next   string `json:"next_cursor"`
	}
	require.NoError(t, json.Unmarshal(ask(t, a, "viewer", "GET", "/files/cats?limit=1", "").Body.Bytes(), &list))
	require.Equal(t, "1.png", list.Files[0].Name)
	require.NoError(t, json.Unmarshal(ask(t, a, "viewer", "GET", "/files/cats?limit=1&cursor="+list.Next, "").Body.Bytes(), &list))
	require.Equal(t, "2.html", list.Files[0].Name)

	html := ask(t, a, "viewer", "GET", "/files/cats/input_dir/2.html", "")
	require.Equal(t, "application/octet-stream", html.Header().Get("Content-Type"))
	require.Contains(t, html.Header().Get("Content-Disposition"), "attachment")
	require.Equal(t, "nosniff", html.Header().Get("X-Content-Type-Options"))

	odd := filepath.Join(a.cfg.Files.Source("cats"), "input_dir", `..\odd`) // a job may have left it
	require.NoError(t, os.WriteFile(odd, nil, 0o600))
	zipped := ask(t, a, "viewer", "GET", "/files/cats/input_dir.zip", "").Body.Bytes()
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	require.NoError(t, err)
	require.Len(t, z.File, 2)

	require.Equal(t, 204, ask(t, a, "operator", "DELETE", "/files/cats/input_dir/1.png", "").Code)
	require.Equal(t, 204, ask(t, a, "operator", "DELETE", "/files/cats", "").Code)
	require.Equal(t, 404, ask(t, a, "viewer", "GET", "/files/cats", "").Code)
}

func TestFiles_GetHasETagAndRange(t *testing.T) {
	a := filesRig(t, files.Config{})
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png", "picture").Code)
	with := func(header, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/files/cats/input_dir/1.png", http.NoBody)
		r.Header.Set("Authorization", "Bearer viewer")
		r.Header.Set(header, value)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	part := with("Range", "bytes=1-3")
	require.Equal(t, 206, part.Code)
	require.Equal(t, "ict", part.Body.String())
	require.Equal(t, 304, with("If-None-Match", part.Header().Get("ETag")).Code)
}

func TestFiles_RefusesWhatCannotBe(t *testing.T) {
	a := filesRig(t, files.Config{Quota: 4})
	for path, status := range map[string]int{
		"/files/cats/input_dir/..%2fx":                      400,
		"/files/%2e%2e%2fx/input_dir/y":                     400,
		"/files/cats/input_dir/a%0ab":                       400,
		"/files/uploads/input_dir/y":                        400,
		"/files/cats/input_dir/" + strings.Repeat("x", 300): 400,
		"/files/cats/input_dir/big":                         507,
		"/files/cats/output_dir/y":                          405,
	} {
		w := ask(t, a, "operator", "PUT", path, "12345")
		require.Equal(t, status, w.Code, path)
		problem(t, w)
	}
	require.Equal(t, 403, ask(t, a, "viewer", "PUT", "/files/cats/input_dir/y", "1").Code)
	require.Equal(t, 403, ask(t, a, "viewer", "DELETE", "/files/cats", "").Code)
}

// busy has one job.
type busy struct {
	job.Service
	of job.Job
}

func (b busy) Jobs(_ context.Context, f job.Filter) ([]job.Job, error) {
	if slices.Contains(f.States, b.of.State) {
		return []job.Job{b.of}, nil
	}
	return nil, nil
}

func TestFiles_AFolderStaysWhileAJobWorksOnIt(t *testing.T) {
	a := filesRig(t, files.Config{})
	for state, status := range map[job.State]int{job.Queued: 409, job.Running: 409, job.Succeeded: 204} {
		require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png?overwrite=true", "picture").Code)
		a.cfg.Service = busy{of: job.Job{ID: "j1", State: state, Spec: job.Spec{Source: a.cfg.Files.Source("cats") + "/"}}}
		require.Equal(t, 204, ask(t, a, "operator", "DELETE", "/files/cats/input_dir/1.png", "").Code, "single files are the user's")
		w := ask(t, a, "operator", "DELETE", "/files/cats", "")
		require.Equal(t, status, w.Code, state)
		if status == 409 {
			require.Contains(t, problem(t, w).What, "j1")
		}
	}
}

func TestFiles_HeadTellsAndSendsNothing(t *testing.T) {
	a := filesRig(t, files.Config{})
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png", "picture").Code)
	one := ask(t, a, "viewer", "HEAD", "/files/cats/input_dir/1.png", "")
	require.Equal(t, []any{200, "7", 0}, []any{one.Code, one.Header().Get("Content-Length"), one.Body.Len()})
	all := ask(t, a, "viewer", "HEAD", "/files/cats/input_dir.zip", "")
	require.Equal(t, []any{200, "application/zip", 0}, []any{all.Code, all.Header().Get("Content-Type"), all.Body.Len()})
}

func TestFiles_ARangeOfWhatHasChangedIsTheWhole(t *testing.T) {
	a := filesRig(t, files.Config{})
	get := func(tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/files/cats/input_dir/1.png", http.NoBody)
		r.Header = http.Header{"Authorization": {"Bearer viewer"}, "Range": {"bytes=1-3"}, "If-Range": {tag}}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png", "picture").Code)
	tag := ask(t, a, "viewer", "HEAD", "/files/cats/input_dir/1.png", "").Header().Get("ETag")
	require.Equal(t, []any{206, "ict"}, []any{get(tag).Code, get(tag).Body.String()})
	require.Equal(t, 201, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png?overwrite=true", "another").Code)
	require.Equal(t, []any{200, "another"}, []any{get(tag).Code, get(tag).Body.String()})
}

func TestFiles_ABodyThatIsNotWhatWasSaidLeavesNothing(t *testing.T) {
	a := filesRig(t, files.Config{})
	put := func(body string, length int64, heads ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/files/cats/input_dir/1.png", strings.NewReader(body))
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer operator")
		for i := 0; i < len(heads); i += 2 {
			r.Header.Set(heads[i], heads[i+1])
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, 411, put("picture", -1).Code)
	require.Equal(t, 413, put("picture", putBytes+1).Code)
	require.Equal(t, 400, put("picture", 8).Code)
	require.Equal(t, 400, put("picture", 7, "Content-Digest", "md5=:xx:").Code)
	require.Equal(t, 400, put("picture", 7, "Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:").Code)
	require.Equal(t, 400, ask(t, a, "operator", "PUT", "/files/cats/input_dir/1.png?overwrite=1", "picture").Code)
	require.Equal(t, 404, ask(t, a, "viewer", "GET", "/files/cats", "").Code)
}

package api

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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

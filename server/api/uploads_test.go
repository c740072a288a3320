package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/server/files"
)

// tus makes a call of the protocol; heads are pairs of names and values.
func tus(t *testing.T, a *API, token, method, path, body string, heads ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Tus-Resumable", "1.0.0")
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	for i := 0; i < len(heads); i += 2 {
		r.Header.Set(heads[i], heads[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// begin makes an upload of size bytes.
func begin(t *testing.T, a *API, size int, meta ...string) *httptest.ResponseRecorder {
	t.Helper()
	var all []string
	for i := 0; i < len(meta); i += 2 {
		all = append(all, meta[i]+" "+base64.StdEncoding.EncodeToString([]byte(meta[i+1])))
	}
	return tus(t, a, "operator", "POST", uploadBase, "", "Content-Type", "", "Upload-Length", strconv.Itoa(size), "Upload-Metadata", strings.Join(all, ","))
}

// at is the path of an upload that was begun.
func at(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, 201, w.Code, w.Body.String())
	where := w.Header().Get("Location")
	return where[strings.Index(where, uploadBase):]
}

func TestUploads_GoOnAfterTheServerWasRestarted(t *testing.T) {
	dir, cfg := t.TempDir(), config()
	first, err := files.Open(files.Config{Dir: dir})
	require.NoError(t, err)
	cfg.Files = first
	a := New(cfg)
	sum := sha256.Sum256([]byte("moving pictures"))
	up := at(t, begin(t, a, 15, "folder", "film", "filename", "1.mp4", "sha256", hex.EncodeToString(sum[:])))
	some := tus(t, a, "operator", "PATCH", up, "moving ", "Upload-Offset", "0")
	require.Equal(t, 204, some.Code, some.Body.String())
	require.Equal(t, 404, ask(t, a, "viewer", "GET", "/files/film/input_dir/1.mp4", "").Code, "it is not whole")
	require.Equal(t, 404, tus(t, a, "admin", "HEAD", up, "").Code, "it is another's")
	require.NoError(t, first.Close())

	second, err := files.Open(files.Config{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, second.Close()) }()
	cfg.Files = second
	a = New(cfg)
	problem(t, begin(t, a, 1, "folder", "film", "filename", "1.mp4")) // the name is still taken
	require.Equal(t, "7", tus(t, a, "operator", "HEAD", up, "").Header().Get("Upload-Offset"))
	require.Equal(t, 409, tus(t, a, "operator", "PATCH", up, "x", "Upload-Offset", "3").Code)
	require.Equal(t, 204, tus(t, a, "operator", "PATCH", up, "pictures", "Upload-Offset", "7").Code)
	require.Equal(t, "moving pictures", ask(t, a, "viewer", "GET", "/files/film/input_dir/1.mp4", "").Body.String())
	require.Equal(t, "15", tus(t, a, "operator", "HEAD", up, "").Header().Get("Upload-Offset"), "for who did not hear that it is whole")
	require.Equal(t, 204, tus(t, a, "operator", "PATCH", up, "", "Upload-Offset", "15").Code)
	require.Equal(t, 409, begin(t, a, 1, "folder", "film", "filename", "1.mp4").Code)
}

func TestUploads_RefuseWhatCannotBe(t *testing.T) {
	a := filesRig(t, files.Config{Quota: 100, Unfinished: 1})
	require.Equal(t, 400, begin(t, a, 1, "folder", "..", "filename", "x").Code)
	require.Equal(t, 400, begin(t, a, 1, "folder", "f", "filename", "a/b").Code)
	require.Equal(t, 400, begin(t, a, 1, "folder", "f", "filename", "a", "sha256", "zz").Code)
	require.Equal(t, 507, begin(t, a, 101, "folder", "f", "filename", "a").Code)
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a", "sha256", strings.Repeat("0", 64)))
	require.Equal(t, 429, begin(t, a, 1, "folder", "f", "filename", "b").Code)
	bad := tus(t, a, "operator", "PATCH", up, "body", "Upload-Offset", "0")
	require.Equal(t, 400, bad.Code)
	require.Contains(t, problem(t, bad).What, "SHA-256")
	up = at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	require.Equal(t, 204, tus(t, a, "operator", "DELETE", up, "").Code)
	at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	require.Equal(t, 403, tus(t, a, "viewer", "POST", uploadBase, "", "Upload-Length", "1").Code)
}

func TestUploads_ExpireWithoutBytes(t *testing.T) {
	a := filesRig(t, files.Config{Now: func() time.Time { return time.Now().Add(25 * time.Hour) }})
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	require.NoError(t, a.cfg.Files.Expire())
	require.Equal(t, 404, tus(t, a, "operator", "HEAD", up, "").Code)
	at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
}

package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/files"
)

func TestUploads_TheFileMayComeWithTheFirstCall(t *testing.T) {
	a := filesRig(t, files.Config{})
	const meta = "folder Zg==,filename YQ==" // f/a
	w := tus(t, a, "operator", "POST", uploadBase, "body", "Upload-Length", "4", "Upload-Metadata", meta)
	require.Regexp(t, "^"+uploadBase+"/[a-z2-7]{26}$", w.Header().Get("Location"), "whatever the caller says its host is")
	require.Equal(t, "4", w.Header().Get("Upload-Offset"))
	require.Equal(t, "body", ask(t, a, "viewer", "GET", "/files/f/input_dir/a", "").Body.String())

	begun := at(t, tus(t, a, "operator", "POST", uploadBase, "bo", "Upload-Length", "4", "Upload-Metadata", "folder Zg==,filename Yg=="))
	require.Equal(t, 204, tus(t, a, "operator", "PATCH", begun, "dy", "Upload-Offset", "2").Code)
	at(t, begin(t, a, 0, "folder", "f", "filename", "empty"))
	require.Equal(t, 200, ask(t, a, "viewer", "GET", "/files/f/input_dir/empty", "").Code)
}

func TestUploads_EveryRefusalIsAProblemThatHelps(t *testing.T) {
	a := filesRig(t, files.Config{})
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	whole := at(t, begin(t, a, 0, "folder", "f", "filename", "b"))
	const meta = "folder Zg==,filename Yw=="
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		heads                    []string
	}{
		{"wrong offset", "PATCH", up, "x", 409, []string{"Upload-Offset", "3"}},
		{"offset of a whole one", "PATCH", whole, "x", 409, []string{"Upload-Offset", "3"}},
		{"no offset", "PATCH", up, "x", 400, nil},
		{"negative offset", "PATCH", up, "x", 400, []string{"Upload-Offset", "-1"}},
		{"more than was said", "PATCH", up, "longer", 413, []string{"Upload-Offset", "0"}},
		{"content type", "PATCH", up, "x", 400, []string{"Upload-Offset", "0", "Content-Type", "text/plain"}},
		{"version", "PATCH", up, "x", 412, []string{"Upload-Offset", "0", "Tus-Resumable", "0.2.2"}},
		{"unknown", "PATCH", uploadBase + "/abcdefghijklmnopqrstuvwxyz", "x", 404, []string{"Upload-Offset", "0"}},
		{"elsewhere", "PATCH", uploadBase + "/..%2flock", "x", 404, []string{"Upload-Offset", "0"}},
		{"the lock", "DELETE", uploadBase + "/lock", "", 404, nil},
		{"length comes later", "POST", uploadBase, "", 501, []string{"Upload-Defer-Length", "1", "Upload-Metadata", meta}},
		{"no length", "POST", uploadBase, "", 400, []string{"Upload-Metadata", meta}},
		{"negative length", "POST", uploadBase, "", 400, []string{"Upload-Length", "-1", "Upload-Metadata", meta}},
		{"length beyond all disks", "POST", uploadBase, "", 507, []string{"Upload-Length", "9223372036854775807", "Upload-Metadata", meta}},
		{"no metadata", "POST", uploadBase, "", 400, []string{"Upload-Length", "1"}},
		{"no base64", "POST", uploadBase, "", 400, []string{"Upload-Length", "1", "Upload-Metadata", meta + ",sha256 !"}},
		{"twice the same", "POST", uploadBase, "", 400, []string{"Upload-Length", "1", "Upload-Metadata", meta + ",folder Zg=="}},
		{"overwrite maybe", "POST", uploadBase, "", 400, []string{"Upload-Length", "1", "Upload-Metadata", meta + ",overwrite MQ=="}},
		{"the name is taken", "POST", uploadBase, "", 409, []string{"Upload-Length", "1", "Upload-Metadata", "folder Zg==,filename YQ=="}},
		{"method override", "POST", up, "", 405, []string{"X-HTTP-Method-Override", "DELETE"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := tus(t, a, "operator", row.method, row.path, row.body, row.heads...)
			require.Equal(t, row.status, w.Code, w.Body.String())
			p := problem(t, w)
			require.NotEmpty(t, p.Hint)
			require.NotContains(t, w.Body.String(), a.cfg.Files.Dir())
			require.Empty(t, w.Header().Get("Location"))
			for _, op := range a.tusCalls() {
				if op.Method == row.method && row.status != http.StatusMethodNotAllowed {
					require.Contains(t, op.Responses, strconv.Itoa(row.status), "it is described")
				}
			}
		})
	}
	require.Equal(t, "0", tus(t, a, "operator", "HEAD", up, "").Header().Get("Upload-Offset"))
}

func TestUploads_SayWhatTheySpeak(t *testing.T) {
	w := tus(t, filesRig(t, files.Config{}), "operator", "OPTIONS", uploadBase, "")
	require.Equal(t, "1.0.0", w.Header().Get("Tus-Version"))
	require.Equal(t, "creation,creation-with-upload,termination", w.Header().Get("Tus-Extension"))
}

func TestUploads_AreListedAndEndedByTheirUserOrAnAdmin(t *testing.T) {
	a := filesRig(t, files.Config{})
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	require.Equal(t, 204, tus(t, a, "operator", "PATCH", up, "bo", "Upload-Offset", "0").Code)
	list := func(token, query string) (all []uploadJSON) {
		var out struct{ Uploads []uploadJSON }
		require.NoError(t, json.Unmarshal(ask(t, a, token, "GET", uploadBase+query, "").Body.Bytes(), &out))
		return out.Uploads
	}
	mine := list("operator", "")
	require.Len(t, mine, 1)
	require.Equal(t, []any{up, "user-operator", int64(4), int64(2)}, []any{mine[0].URL, mine[0].User, mine[0].Size, mine[0].Offset})
	require.Empty(t, list("admin", ""))
	require.Len(t, list("admin", "?all=true"), 1)
	require.Equal(t, 403, ask(t, a, "operator", "GET", uploadBase+"?all=true", "").Code)

	require.Equal(t, 404, tus(t, a, "admin", "PATCH", up, "dy", "Upload-Offset", "2").Code, "nobody adds to another's")
	require.Equal(t, 204, tus(t, a, "admin", "DELETE", up, "").Code)
	require.Empty(t, list("operator", ""))
}

func TestUploads_OfAUserWhoIsRemovedEnd(t *testing.T) {
	a := filesRig(t, files.Config{})
	a.cfg.Accounts = leaver{a.cfg.Accounts}
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	require.Equal(t, 204, ask(t, a, "admin", "DELETE", "/users/user-operator", "").Code)
	require.Equal(t, 404, tus(t, a, "operator", "HEAD", up, "").Code)
	at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
}

// leaver is accounts of which users can be removed.
type leaver struct{ Accounts }

func (leaver) Remove(context.Context, string) error { return nil }

// A connection may be dead without the server's knowing: who goes on is not kept waiting.
func TestUploads_WhoComesLaterHasTheUpload(t *testing.T) {
	a := filesRig(t, files.Config{})
	server := httptest.NewServer(a)
	defer server.Close()
	up := at(t, begin(t, a, 6, "folder", "f", "filename", "a"))
	patch := func(body io.Reader, offset string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, server.URL+up, body)
		if err != nil {
			return 0
		}
		r.Header = http.Header{"Authorization": {"Bearer operator"}, "Tus-Resumable": {"1.0.0"}, "Upload-Offset": {offset}, "Content-Type": {"application/offset+octet-stream"}}
		w, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return 0
		}
		_ = w.Body.Close()
		return w.StatusCode
	}
	r, w := io.Pipe()
	first := make(chan int, 1)
	go func() { first <- patch(r, "0") }()
	_, err := w.Write([]byte("mov"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		all, err := a.cfg.Files.Uploads("")
		return err == nil && len(all) == 1 && all[0].Offset == 3
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, 204, patch(strings.NewReader("ies"), "3"))
	require.Equal(t, 423, <-first)
	_ = w.Close()
	require.Equal(t, "movies", ask(t, a, "viewer", "GET", "/files/f/input_dir/a", "").Body.String())
}

func TestUploads_ThatAreBusyAreLocked(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		kept, err := files.Open(files.Config{Dir: dir})
		require.NoError(t, err)
		defer func() { require.NoError(t, kept.Close()) }()
		cfg := config()
		cfg.Files = kept
		a := New(cfg)
		up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
		held, err := kept.Composer().Locker.NewLock(filepath.Base(up))
		require.NoError(t, err)
		require.NoError(t, held.Lock(t.Context(), func() {}))
		for _, method := range []string{"HEAD", "PATCH", "DELETE"} {
			w := tus(t, a, "operator", method, up, "", "Upload-Offset", "0")
			require.Equal(t, []any{423, "1"}, []any{w.Code, w.Header().Get("Retry-After")}, method)
		}
		require.NoError(t, held.Unlock())
		require.Equal(t, 204, tus(t, a, "operator", "PATCH", up, "body", "Upload-Offset", "0").Code)
		time.Sleep(2 * leftWait) // the library's goroutines have ended then
	})
}

// The last byte may come, and its caller leave, before the file has its place.
func TestUploads_WhatIsWholeHasItsPlaceBeforeAnybodyHearsThatItIs(t *testing.T) {
	a := filesRig(t, files.Config{})
	up := at(t, begin(t, a, 4, "folder", "f", "filename", "a"))
	bytes := filepath.Join(a.cfg.Files.Dir(), job.HiddenPrefix+files.Uploads, filepath.Base(up))
	require.NoError(t, os.WriteFile(bytes, []byte("body"), 0o600))
	require.Equal(t, "4", tus(t, a, "operator", "HEAD", up, "").Header().Get("Upload-Offset"))
	require.Equal(t, "body", ask(t, a, "viewer", "GET", "/files/f/input_dir/a", "").Body.String())

	up = at(t, begin(t, a, 4, "folder", "f", "filename", "b", "sha256", strings.Repeat("0", 64)))
	bytes = filepath.Join(filepath.Dir(bytes), filepath.Base(up))
	require.NoError(t, os.WriteFile(bytes, []byte("body"), 0o600))
	require.Equal(t, 400, tus(t, a, "operator", "HEAD", up, "").Code)
	require.Equal(t, 404, tus(t, a, "operator", "HEAD", up, "").Code)
}

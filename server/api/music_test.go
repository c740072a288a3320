package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

// jukebox is music that is done as soon as it is chosen, with a file of its own for
// all tracks and mixes.
type jukebox struct {
	*store.Memory
	dir    string
	resets int
	broken error // of Add
}

func (j *jukebox) Add(ctx context.Context, body io.Reader, name string) (job.Music, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return job.Music{}, err
	}
	if j.broken != nil {
		return job.Music{}, j.broken
	}
	return j.AddMusic(ctx, job.Music{Name: name, Band: string(b), File: "song.mp3", Bytes: int64(len(b))}, func(int64) error { return nil })
}

func (j *jukebox) Choose(ctx context.Context, id int64, mix job.Mix) error {
	return errors.Join(j.ChooseMusic(ctx, id, mix), j.SetMusic(ctx, job.Music{ID: id, Separated: true, Mixed: mix}),
		j.KeepMusicParts(ctx, id, []job.MusicPart{{Number: 2, Bytes: 9, Took: 6 * time.Second}}))
}

func (j *jukebox) Song(ctx context.Context, id int64) (job.Music, error) { return j.Music(ctx, id) }
func (j *jukebox) Songs(ctx context.Context) ([]job.Music, error)        { return j.AllMusic(ctx) }
func (j *jukebox) Parts(ctx context.Context) ([]job.MusicPart, error)    { return j.MusicParts(ctx) }

func (j *jukebox) Part(ctx context.Context, song int64, n int) (job.MusicPart, error) {
	return j.MusicPart(ctx, song, n)
}

func (j *jukebox) Percent(m job.Music) int {
	if m.Done() {
		return 100
	}
	return 0
}

func (j *jukebox) Open(_ context.Context, _ int64, name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(j.dir, filepath.Base(name)))
	if err != nil {
		return nil, job.E(job.NotFound, "", errors.New("none"), "")
	}
	return f, nil
}

func (j *jukebox) Reset(ctx context.Context) error {
	j.resets++
	return j.ClearMusic(ctx)
}

// musicAPI has a jukebox.
func musicAPI(t *testing.T) (*API, *jukebox) {
	j := &jukebox{Memory: store.NewMemory(), dir: t.TempDir()}
	cfg := config()
	cfg.Music = j
	return New(cfg), j
}

// send makes a call as an operator, with a body of that kind.
func send(t *testing.T, a *API, path, kind string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, body)
	r.Header.Set("Authorization", "Bearer operator")
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// songForm is a form with a field and a file.
func songForm(t *testing.T, file string) (string, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	require.NoError(t, form.WriteField("note", "not the song"))
	if file != "" {
		part, err := form.CreateFormFile("any name", file)
		require.NoError(t, err)
		_, err = part.Write([]byte("la la"))
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	return form.FormDataContentType(), &b
}

func TestMusic_EachCallAnswersItsFields(t *testing.T) {
	a, j := musicAPI(t)
	require.JSONEq(t, `[]`, ask(t, a, "viewer", "GET", "/music", "").Body.String())
	require.JSONEq(t, `[]`, ask(t, a, "viewer", "GET", "/job", "").Body.String())
	const raw = `{"music_id":1,"name":"","band":"la la","tracks":[{"name":"vocals","track_id":1},{"name":"drums","track_id":2},{"name":"bass","track_id":3},{"name":"other","track_id":4}]}`
	w := send(t, a, "/music", "audio/mpeg", strings.NewReader("la la"))
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, raw, w.Body.String())
	kind, form := songForm(t, "a b.mp3")
	w = send(t, a, "/music", kind, form)
	require.Equal(t, 200, w.Code, w.Body.String())
	const parts = `{"music_id":2,"name":"a b.mp3","band":"la la","tracks":[{"name":"vocals","track_id":5},{"name":"drums","track_id":6},{"name":"bass","track_id":7},{"name":"other","track_id":8}]}`
	require.JSONEq(t, parts, w.Body.String())
	require.JSONEq(t, "["+raw+","+parts+"]", ask(t, a, "viewer", "GET", "/music", "").Body.String())

	require.JSONEq(t, `{"progress":0,"instruments":[],"final":""}`, ask(t, a, "viewer", "GET", "/music/2", "").Body.String())
	w = ask(t, a, "operator", "POST", "/music/2", "[8, 5, 8]")
	require.Equal(t, 200, w.Code, w.Body.String())
	w = ask(t, a, "viewer", "GET", "/music/2", "")
	require.JSONEq(t, `{"progress":100,"final":"http://example.com/music/2/final-9.mp3","instruments":[
		{"name":"vocals","track":"http://example.com/music/2/vocals.wav"},{"name":"drums","track":"http://example.com/music/2/drums.wav"},
		{"name":"bass","track":"http://example.com/music/2/bass.wav"},{"name":"other","track":"http://example.com/music/2/other.wav"}]}`, w.Body.String())

	var ids []int64
	require.NoError(t, json.Unmarshal(ask(t, a, "viewer", "GET", "/job", "").Body.Bytes(), &ids))
	require.Len(t, ids, 4)
	w = ask(t, a, "viewer", "GET", "/job/"+strconv.FormatInt(ids[1], 10), "")
	require.JSONEq(t, `{"job_id":`+strconv.FormatInt(ids[1], 10)+`,"size":9,"time":1.5,"music_id":2,"track_id":6}`, w.Body.String())

	for _, token := range []string{"", "viewer", "operator"} {
		require.Contains(t, []int{401, 403}, ask(t, a, token, "POST", "/reset", "").Code)
	}
	require.Zero(t, j.resets)
	require.Equal(t, 200, ask(t, a, "admin", "POST", "/reset", "").Code)
	require.JSONEq(t, `[]`, ask(t, a, "viewer", "GET", "/music", "").Body.String())
	require.JSONEq(t, `[]`, ask(t, a, "viewer", "GET", "/job", "").Body.String())
}

func TestMusic_WhoMayWhat(t *testing.T) {
	a, _ := musicAPI(t)
	for _, call := range []string{"GET /music", "GET /music/1", "GET /music/1/vocals.wav", "GET /job", "GET /job/1", "POST /music", "POST /music/1", "POST /reset"} {
		method, path, _ := strings.Cut(call, " ")
		require.Equal(t, 401, ask(t, a, "", method, path, "").Code, call)
		require.Equal(t, 403, ask(t, a, "node", method, path, "").Code, call)
		if method == "POST" {
			require.Equal(t, 403, ask(t, a, "viewer", method, path, "[1]").Code, call)
		}
	}
}

func TestMusic_HostileIDsAndChoicesAreToldApart(t *testing.T) {
	a, _ := musicAPI(t)
	require.Equal(t, 200, send(t, a, "/music", "", strings.NewReader("x")).Code)
	for _, id := range []string{"0", "2", "-1", "+1", "01", "1e0", "9223372036854775807", "99999999999999999999", "x", "%00", "..%2f1", "1'--", "%0d%0aSet-Cookie:a=b"} {
		for _, path := range []string{"/music/" + id, "/job/" + id} {
			require.Equal(t, 404, ask(t, a, "admin", "GET", path, "").Code, path)
		}
		w := ask(t, a, "admin", "POST", "/music/"+id, "[1]")
		require.Equal(t, 404, w.Code, id)
		problem(t, w)
	}
	rows := []struct {
		name, body string
		want       int
	}{
		{"an unknown track", "[1, 5]", 405},
		{"a negative one", "[-1]", 405},
		{"none", "[]", 400},
		{"nothing", "", 400},
		{"null", "null", 400},
		{"null within", "[null]", 405},
		{"an array within", "[[1]]", 400},
		{"arrays within arrays", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), 400},
		{"a huge number", "[1e400]", 400},
		{"a number beyond 64 bits", "[18446744073709551617]", 400},
		{"a fraction", "[1.5]", 400},
		{"a name", `["vocals"]`, 400},
		{"an object", `{"tracks":[1]}`, 400},
		{"two arrays", "[1][2]", 400},
		{"a cut array", "[1", 400},
		{"a million ids", "[1" + strings.Repeat(",1", 1_000_000) + "]", 413},
		{"a lot of space behind", "[1]" + strings.Repeat(" ", 1_000_000), 413},
		{"ids more than once", "[1,1,1,2,2]", 200},
	}
	for _, row := range rows {
		w := ask(t, a, "operator", "POST", "/music/1", row.body)
		require.Equal(t, row.want, w.Code, row.name+": "+w.Body.String())
		if row.want != 200 {
			require.NotEmpty(t, problem(t, w).Hint, row.name)
		}
		if row.want == 405 {
			require.Equal(t, "GET, HEAD, POST", w.Header().Get("Allow"))
		}
	}
}

func TestMusic_BodiesThatAreNoSongAreTold(t *testing.T) {
	a, j := musicAPI(t)
	noFile, empty := songForm(t, "")
	kind, whole := songForm(t, "a.mp3")
	rows := []struct {
		name, kind string
		body       io.Reader
		want       int
	}{
		{"a form without a file", noFile, empty, 400},
		{"a form that is cut off", kind, bytes.NewReader(whole.Bytes()[:whole.Len()-40]), 400},
		{"a form without a boundary", "multipart/form-data", strings.NewReader("x"), 400},
		{"a form that is none", "multipart/form-data; boundary=x", strings.NewReader("I am no form"), 400},
		{"a body that stops", "audio/mpeg", io.MultiReader(strings.NewReader("x"), errReader{io.ErrUnexpectedEOF}), 400},
		{"a body that stalls", "audio/mpeg", errReader{os.ErrDeadlineExceeded}, 408},
		{"a body without end", "audio/mpeg", errReader{&http.MaxBytesError{Limit: 1}}, 413},
	}
	for _, row := range rows {
		w := send(t, a, "/music", row.kind, row.body)
		require.Equal(t, row.want, w.Code, row.name+": "+w.Body.String())
		require.NotEmpty(t, problem(t, w).Hint, row.name)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/music", strings.NewReader("x"))
	r.Header.Set("Authorization", "Bearer operator")
	r.ContentLength = musicBytes + 1
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, 413, w.Code, "refused before it is sent")
	j.broken = job.E(job.InvalidArgument, "", errors.New("it is text"), "send a song")
	w = send(t, a, "/music", "audio/mpeg", strings.NewReader("text"))
	require.Equal(t, 400, w.Code)
	require.Equal(t, "it is text", problem(t, w).What)
	require.JSONEq(t, `[]`, ask(t, a, "viewer", "GET", "/music", "").Body.String())
}

// errReader breaks.
type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestMusic_FilesComeWholeOrInPieces(t *testing.T) {
	a, j := musicAPI(t)
	require.NoError(t, os.WriteFile(filepath.Join(j.dir, "vocals.wav"), []byte("0123456789"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(j.dir, "final-1.mp3"), []byte("mix"), 0o600))
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer viewer")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	w := get("/music/1/vocals.wav")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "0123456789", w.Body.String())
	require.Equal(t, "audio/wav", w.Header().Get("Content-Type"))
	require.Equal(t, "audio/mpeg", get("/music/1/final-1.mp3").Header().Get("Content-Type"))
	tag := w.Header().Get("ETag")
	require.NotEmpty(t, tag)
	w = get("/music/1/vocals.wav", "Range", "bytes=2-4", "If-Range", tag)
	require.Equal(t, 206, w.Code)
	require.Equal(t, "234", w.Body.String())
	require.Equal(t, 304, get("/music/1/vocals.wav", "If-None-Match", tag).Code)
	require.Equal(t, 416, get("/music/1/vocals.wav", "Range", "bytes=20-").Code)
	require.Equal(t, 404, get("/music/1/drums.wav").Code)
}

func TestMusic_AnAddressIsNeverWhatACallerMakesUp(t *testing.T) {
	a, _ := musicAPI(t)
	require.Equal(t, 200, send(t, a, "/music", "", strings.NewReader("x")).Code)
	require.Equal(t, 200, ask(t, a, "operator", "POST", "/music/1", "[1]").Code)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/music/1", nil)
	r.Header.Set("Authorization", "Bearer viewer")
	r.Host = `evil"/<script>`
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Contains(t, w.Body.String(), `"final":"/music/1/final-1.mp3"`)
}

func TestMusic_IsNotOfferedWithoutIt(t *testing.T) {
	require.Equal(t, 404, ask(t, New(config()), "admin", "GET", "/music", "").Code)
}

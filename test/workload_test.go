//go:build gocv_specific_modules

package test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// album is a workload, and how to reach it.
type album struct {
	*caller
	ID       int64 `json:"workload_id"`
	Status   string
	Running  int     `json:"running_jobs"`
	Filtered []int64 `json:"filtered_images"`
}

// open logs in, and makes a workload.
func (c *cluster) open(at, filter, name string) *album {
	c.t.Helper()
	a := &album{caller: &caller{t: c.t, base: "http://" + at}}
	var session struct{ Token string }
	require.NoError(c.t, json.Unmarshal(a.call("POST", a.base+"/login", nil, 200), &session))
	a.token = session.Token
	require.NoError(c.t, json.Unmarshal(a.call("POST", a.base+"/workloads", fmt.Appendf(nil, `{"filter":%q,"workload_name":%q}`, filter, name), 200), a))
	return a
}

// send uploads a picture, and gives its id. It may be called from any goroutine.
func (a *album) send(picture []byte) (int64, error) {
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("anything", "a.jpg")
	if err == nil {
		_, err = part.Write(picture)
	}
	if err == nil {
		err = m.WriteField("workload_id", fmt.Sprint(a.ID))
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.base+"/images", &body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", m.FormDataContentType())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var got struct {
		ID    *int64 `json:"image_id"`
		Error string
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		return 0, err
	}
	if got.ID == nil {
		return 0, fmt.Errorf("%d: %s", answer.StatusCode, got.Error)
	}
	return *got.ID, nil
}

// image is the bytes of an image.
func (a *album) image(id int64, kind string, want int) []byte {
	a.t.Helper()
	return a.call("GET", fmt.Sprintf("%s/images/%d?workload_id=%d&type=%s", a.base, id, a.ID, kind), nil, want)
}

func (a *album) look() {
	a.t.Helper()
	a.Filtered = nil
	require.NoError(a.t, json.Unmarshal(a.call("GET", fmt.Sprintf("%s/workloads/%d", a.base, a.ID), nil, 200), a))
}

// pixels decodes a picture.
func pixels(t *testing.T, data []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	return m
}

func TestWorkload_PhotographsComeBackAsTheMainJobMakesThemAlsoAfterACrash(t *testing.T) {
	at := freeAddr(t)
	flags := []string{"--http", at, "--demo"}
	c := newCluster(t, flags, nodeArgs{"0"}, nodeArgs{"0"})
	a := c.open(at, "blur", "holidays")

	const photographs, others = 30, 2 // the others are damaged
	sent, errs := map[int64][]byte{}, make([]error, photographs+others)
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range errs {
		data := jpegBytes(t, n)
		switch n {
		case photographs:
			data = data[:600]
		case photographs + 1:
			data = bomb(t)
		}
		all.Go(func() {
			id, err := a.send(data)
			mu.Lock()
			defer mu.Unlock()
			sent[id], errs[n] = data, err
		})
	}
	all.Wait()
	for n, err := range errs {
		require.NoError(t, err, n)
	}
	require.Len(t, sent, photographs+others, "each has an id of its own")

	c.server.kill() // all are promised, and hardly any is filtered
	c.startServer(flags...)
	eventually(t, "all are filtered", func() bool { a.look(); return a.Status == "completed" })
	require.Len(t, a.Filtered, photographs)
	require.Zero(t, a.Running)

	in := c.folder("data")
	for id, data := range sent {
		require.Equal(t, data, a.image(id, "original", 200))
		write(t, filepath.Join(in, fmt.Sprintf("%d.jpg", id)), data)
	}
	r, _ := c.run("data", "--op", "blur")
	require.Equal(t, photographs, r.Done)
	results := map[string][]byte{}
	for n, id := range a.Filtered {
		require.True(t, n == 0 || id > a.Filtered[n-1], "in order, each once")
		name := fmt.Sprintf("%d.jpg", id)
		want, err := os.ReadFile(filepath.Join(c.dir, "data", "output_dir", name))
		require.NoError(t, err)
		got := a.image(id, "filtered", 200)
		require.Equal(t, pixels(t, want), pixels(t, got), name)
		kept, err := os.ReadFile(filepath.Join(c.dir, "data", "files", "workloads", "holidays", name))
		require.NoError(t, err)
		require.Equal(t, got, kept)
		results[name] = got
	}
	archive := a.call("GET", fmt.Sprintf("%s/workloads/%d/zip", a.base, a.ID), nil, 200)
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	require.Len(t, z.File, photographs)
	for _, f := range z.File {
		from, err := f.Open()
		require.NoError(t, err)
		got, err := io.ReadAll(from)
		require.NoError(t, err)
		require.Equal(t, results[f.Name], got, f.Name)
	}

	a.call("DELETE", fmt.Sprintf("%s/workloads/%d", a.base, a.ID), nil, 200)
	left, err := filepath.Glob(filepath.Join(c.dir, "data", "files", "workloads", "[^.]*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing of it is left")
	a.image(0, "original", 404)
}

//go:build gocv_specific_modules

package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
	"spillway/sound"
)

// caller makes calls of the HTTP API of a server that --demo opened.
type caller struct {
	t           *testing.T
	base, token string
}

// call makes a call, requires its status, and returns the body.
func (c *caller) call(method, url string, body []byte, want int) []byte {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, bytes.NewReader(body))
	require.NoError(c.t, err)
	if c.token == "" {
		r.SetBasicAuth("username", "password")
	} else {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, want, answer.StatusCode, "%s %s: %s", method, url, b[:min(len(b), 500)])
	return b
}

// progress is what GET /music/{id} tells.
type progress struct {
	Progress    int
	Instruments []struct{ Name, Track string }
	Final       string
	Error       string
}

// mixed waits for the mix of the song.
func (c *caller) mixed() (p progress) {
	c.t.Helper()
	eventually(c.t, "the song is mixed", func() bool {
		p = progress{}
		require.NoError(c.t, json.Unmarshal(c.call("GET", c.base+"/music/1", nil, 200), &p))
		require.Empty(c.t, p.Error)
		return p.Final != ""
	})
	require.Equal(c.t, 100, p.Progress)
	return p
}

// sound decodes what a URL has, and gives its tags.
func (c *caller) sound(url string) ([]float32, map[string]string) {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "x")
	require.NoError(c.t, os.WriteFile(path, c.call("GET", url, nil, 200), 0o600))
	return decoded(c.t, path)
}

// decoded are the samples of a file, and its tags.
func decoded(t *testing.T, path string) ([]float32, map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	info, err := ffmpeg.Programs{}.Probe(t.Context(), f)
	require.NoError(t, err)
	r, err := ffmpeg.Programs{}.Samples(t.Context(), f, info.Audio[0], info.Audio[0].Sound())
	require.NoError(t, err)
	defer r.Close()
	in, all, block := sound.Floats(r, info.Audio[0].Channels), []float32{}, make([]float32, 1<<14)
	for {
		n, err := in.Read(block)
		all = append(all, block[:n]...)
		if errors.Is(err, io.EOF) {
			return all, info.Tags
		}
		require.NoError(t, err)
	}
}

// apart is how loud the difference of two sounds is, as a share of the first.
func apart(a, b []float32) float64 {
	var diff, power float64
	for i := range min(len(a), len(b)) {
		diff += math.Pow(float64(a[i]-b[i]), 2)
		power += math.Pow(float64(a[i]), 2)
	}
	return math.Sqrt(diff / power)
}

func TestMusic_StemsAddUpAndTheFinalIsTheChosenMix(t *testing.T) {
	c := prepare(t, 2)
	for i := range 2 {
		c.nodes = append(c.nodes, c.startNode(i, "0"))
	}
	path := filepath.Join(c.dir, "song.flac")
	tune(t, path, "-metadata artist=Band")
	at := freeAddr(t)
	c.startServer("--http", at, "--demo")
	api := &caller{t: t, base: "http://" + at}
	var session struct{ Token string }
	require.NoError(t, json.Unmarshal(api.call("POST", api.base+"/login", nil, 200), &session))
	api.token = session.Token

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"music_id":1,"name":"Ein Lied","band":"Band","tracks":[{"name":"vocals","track_id":1},{"name":"drums","track_id":2},{"name":"bass","track_id":3},{"name":"other","track_id":4}]}`,
		string(api.call("POST", api.base+"/music", data, 200)))
	api.call("POST", api.base+"/music/1", []byte("[2,3,4]"), 200)
	p := api.mixed()

	song, _ := decoded(t, path)
	sum, chosen := make([]float32, len(song)), make([]float32, len(song))
	for i, track := range p.Instruments {
		samples, tags := api.sound(track.Track)
		require.Equal(t, "Ein Lied", tags["title"])
		require.Len(t, samples, len(song), track.Name)
		for k, x := range samples {
			sum[k] += x
			if i > 0 {
				chosen[k] += x
			}
		}
	}
	require.Less(t, apart(song, sum), 1e-3, "the tracks add up to the song")
	final, tags := api.sound(p.Final)
	require.Equal(t, []string{"Ein Lied", "Band"}, []string{tags["title"], tags["artist"]})
	near := apart(chosen, final)
	require.Less(t, near, 0.1, "the final is the mix of the chosen tracks, as far as MP3 keeps it")
	require.Greater(t, apart(song, final), 2*near, "and not the song")

	var ids []int64
	require.NoError(t, json.Unmarshal(api.call("GET", api.base+"/job", nil, 200), &ids))
	require.NotEmpty(t, ids)
	var work struct{ Time float64 }
	require.NoError(t, json.Unmarshal(api.call("GET", fmt.Sprintf("%s/job/%d", api.base, ids[0]), nil, 200), &work))
	require.Positive(t, work.Time)

	api.call("POST", api.base+"/reset", nil, 200)
	api.call("GET", p.Final, nil, 404)
	require.JSONEq(t, "[]", string(api.call("GET", api.base+"/job", nil, 200)))
}

//go:build gocv_specific_modules

package test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shaky is a connection that breaks once it was given so many bytes.
type shaky struct {
	net.Conn
	left int64
}

func (s *shaky) Write(b []byte) (int, error) {
	if s.left -= int64(len(b)); s.left < 0 {
		_ = s.Close()
		return 0, errors.New("broken")
	}
	return s.Conn.Write(b)
}

// uploader uploads by the tus protocol over connections that break.
type uploader struct {
	*caller
	client  *http.Client
	size    int64
	conns   int         // that were made
	read    func(int64) // is told how many bytes were read, by whoever reads them
	between func()      // is called before each connection
}

// newUploader makes one whose connections break after up to a fourth of size bytes, half
// of them without a word to the server.
func newUploader(api *caller, size int64) *uploader {
	u := &uploader{caller: api, size: size, read: func(int64) {}, between: func() {}}
	random := rand.New(rand.NewPCG(1, 2))
	u.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		u.conns++
		if random.IntN(2) == 0 {
			_ = nc.(*net.TCPConn).SetLinger(0) // it ends with a reset
		}
		return &shaky{nc, 4096 + random.Int64N(size/4)}, nil
	}}}
	return u
}

// tus makes a call of the protocol; heads are pairs of names and values. The status is 0
// where it broke.
func (u *uploader) tus(method, url string, body io.Reader, heads ...string) (int, http.Header) {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), method, url, body)
	require.NoError(u.t, err)
	r.Header.Set("Authorization", "Bearer "+u.token)
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(heads); i += 2 {
		r.Header.Set(heads[i], heads[i+1])
	}
	w, err := u.client.Do(r)
	if err != nil {
		return 0, nil
	}
	_ = w.Body.Close()
	return w.StatusCode, w.Header
}

// upload sends a file to a folder, under the same name, and looks what has come where a
// connection broke.
func (u *uploader) upload(folder string, file *os.File, sum []byte) {
	u.t.Helper()
	text := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	meta := "folder " + text(folder) + ",filename " + text(filepath.Base(file.Name())) + ",sha256 " + text(hex.EncodeToString(sum))
	status, head := u.tus("POST", u.base+"/files/uploads", nil, "Upload-Length", strconv.FormatInt(u.size, 10), "Upload-Metadata", meta)
	require.Equal(u.t, http.StatusCreated, status)
	at := u.base + head.Get("Location")
	offset := int64(0)
	for offset < u.size {
		u.between()
		eventually(u.t, "the server tells how much has come", func() bool {
			status, head := u.tus("HEAD", at, nil)
			var err error
			offset, err = strconv.ParseInt(head.Get("Upload-Offset"), 10, 64)
			return status == http.StatusOK && err == nil
		})
		body := &told{io.NewSectionReader(file, offset, u.size-offset), offset, u.read}
		status, _ := u.tus("PATCH", at, body, "Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
		if status == http.StatusNoContent {
			return
		}
	}
}

// told is a reader that tells how far it is.
type told struct {
	io.Reader
	at   int64
	read func(int64)
}

func (r *told) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.at += int64(n)
	r.read(r.at)
	return n, err
}

// holed makes a file of size bytes that is nearly all holes, and returns its SHA-256.
func holed(t *testing.T, path string, size int64) (*os.File, []byte) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	random := rand.New(rand.NewPCG(3, 4))
	require.NoError(t, f.Truncate(size))
	for range 64 {
		block := make([]byte, 4096)
		for i := range block {
			block[i] = byte(random.Uint32())
		}
		_, err := f.WriteAt(block, random.Int64N(size-4096))
		require.NoError(t, err)
	}
	return f, sumOf(t, path)
}

// sumOf is the SHA-256 of a file.
func sumOf(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	require.NoError(t, err)
	return sum.Sum(nil)
}

// logIn makes a caller of a server that --demo opened.
func logIn(t *testing.T, at string) *caller {
	t.Helper()
	api := &caller{t: t, base: "http://" + at}
	var session struct{ Token string }
	require.NoError(t, json.Unmarshal(api.call("POST", api.base+"/login", nil, 200), &session))
	api.token = session.Token
	return api
}

// Uploads survive broken connections and a killed server, in bounded memory, and become
// the source of a job whose outputs come back. SPILLWAY_UPLOAD_MIB sets another size.
func TestUpload_ComesWholeOverBrokenConnectionsAndAKilledServer(t *testing.T) {
	size := int64(64 << 20)
	if s := os.Getenv("SPILLWAY_UPLOAD_MIB"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		size = n << 20
	}
	c, at := prepare(t, 1), freeAddr(t)
	c.nodes = append(c.nodes, c.startNode(0, "0"))
	args := []string{"--http", at, "--demo", "--files", filepath.Join(c.dir, "kept")}
	c.startServer(args...)
	api := logIn(t, at)

	movie, sum := holed(t, filepath.Join(c.dir, "movie.mp4"), size)
	u := newUploader(api, size)
	var killed atomic.Bool
	first, peak := c.server, int64(0)
	u.read = func(offset int64) {
		if offset >= size/2 && !killed.Swap(true) {
			_ = first.cmd.Process.Kill()
		}
	}
	u.between = func() {
		if killed.Load() && c.server == first {
			first.wait()
			c.startServer(args...)
		}
		peak = max(peak, peakMemory(t, c.server.cmd.Process.Pid))
	}
	begun := time.Now()
	u.upload("film", movie, sum)
	took := time.Since(begun)
	require.NotSame(t, first, c.server)
	require.Equal(t, sum, sumOf(t, filepath.Join(c.dir, "kept", "folders", "film", "input_dir", "movie.mp4")))
	peak = max(peak, peakMemory(t, c.server.cmd.Process.Pid))
	t.Logf("%d MiB in %v over %d connections: %.0f MB/s; plain copy: %.0f MB/s; the server's peak resident memory is %d MB",
		size>>20, took, u.conns, float64(size)/1e6/took.Seconds(), plainCopy(t, movie, size), peak>>20)
	require.Greater(t, u.conns, 6)
	require.LessOrEqual(t, peak, int64(150<<20))
	require.JSONEq(t, `{"uploads":[]}`, string(api.call("GET", api.base+"/files/uploads", nil, 200)))

	jobOnUploads(t, c, api)
	taken := spawn(t, c.dir, "server", append(args, "--http", freeAddr(t), "--listen", freeAddr(t), "--state", filepath.Join(c.dir, "other"))...)
	require.NotZero(t, taken.wait())
	require.Contains(t, taken.out.String(), "another server has")
}

// plainCopy is the rate in MB/s of a copy by the system to the same disk.
func plainCopy(t *testing.T, f *os.File, size int64) float64 {
	t.Helper()
	to, err := os.Create(f.Name() + ".copy")
	require.NoError(t, err)
	defer to.Close()
	begun := time.Now()
	_, err = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{io.NewSectionReader(f, 0, size)})
	require.NoError(t, err)
	require.NoError(t, to.Sync())
	return float64(size) / 1e6 / time.Since(begun).Seconds()
}

// jobOnUploads uploads a picture, has it worked on, and fetches what came of it.
func jobOnUploads(t *testing.T, c *cluster, api *caller) {
	t.Helper()
	path := filepath.Join(c.dir, "1.png")
	require.NoError(t, os.WriteFile(path, pngBytes(t, 1), 0o600))
	picture, err := os.Open(path)
	require.NoError(t, err)
	defer picture.Close()
	stat, err := picture.Stat()
	require.NoError(t, err)
	whole := newUploader(api, stat.Size())
	whole.client = http.DefaultClient
	whole.upload("cats", picture, sumOf(t, path))

	var folder struct{ Source string }
	require.NoError(t, json.Unmarshal(api.call("GET", api.base+"/files/cats", nil, 200), &folder))
	var j struct{ ID, State string }
	order, err := json.Marshal(map[string]string{"source": folder.Source, "operation": "grayscale"})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(api.call("POST", api.base+"/jobs", order, 201), &j))
	eventually(t, "the job ends", func() bool {
		require.NoError(t, json.Unmarshal(api.call("GET", api.base+"/jobs/"+j.ID, nil, 200), &j))
		return j.State != "queued" && j.State != "running"
	})
	require.Equal(t, "succeeded", j.State)
	zipped := api.call("GET", api.base+"/files/cats/output_dir.zip", nil, 200)
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	require.NoError(t, err)
	require.Len(t, z.File, 1)
	api.call("DELETE", api.base+"/files/cats", nil, 204)
	api.call("GET", api.base+"/files/cats", nil, 404)
}

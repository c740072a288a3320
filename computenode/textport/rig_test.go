package textport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/computenode/files"
	"spillway/computenode/workspace"
	"spillway/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the time at which every reply of these tests is stamped.
const (
	nowText = "<Jan 12, 2023 04:18:23 PM> "
)

func now() time.Time { return time.Date(2023, time.January, 12, 16, 18, 23, 0, time.Local) }

// fakeNative knows videos, which begin with "video", faces and pictures.
type fakeNative struct {
	hold func(ctx context.Context) error // in detect; nil: goes on
	fail error
}

func (f *fakeNative) kind(path, want string) error {
	data, err := os.ReadFile(path)
	if err == nil && !strings.HasPrefix(string(data), want) {
		err = job.E(job.InvalidArgument, "read "+filepath.Base(path), errors.New("it is no "+want), "")
	}
	return errors.Join(err, f.fail)
}

func (f *fakeNative) Metadata(_ context.Context, path string) (job.VideoInfo, error) {
	return job.VideoInfo{Rate: job.Rate{Num: 30000, Den: 1001}, Duration: 12500 * time.Millisecond, Width: 640, Height: 480}, f.kind(path, "video")
}

func (f *fakeNative) Extract(_ context.Context, path, dir string, e job.Extraction) (int, error) {
	if err := f.kind(path, "video"); err != nil {
		return 0, err
	}
	n := int(e.Rate.Float() * e.Duration.Seconds())
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), []byte("face"), 0o600); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (f *fakeNative) Create(_ context.Context, _ job.Creation, out string) error {
	return errors.Join(f.fail, os.WriteFile(out, []byte("video"), 0o600))
}

func (f *fakeNative) DetectFace(ctx context.Context, path string) ([]job.Point, error) {
	if f.hold != nil {
		if err := f.hold(ctx); err != nil {
			return nil, err
		}
	}
	if f.kind(path, "face") != nil {
		return nil, f.kind(path, "picture")
	}
	face := make([]job.Point, job.FacePoints)
	for i := range face {
		face[i] = job.Point{X: float64(i), Y: float64(i) / 4}
	}
	return face, nil
}

func (f *fakeNative) DrawMesh(_ context.Context, _, out string, _ []job.Point) error {
	return errors.Join(f.fail, os.WriteFile(out, []byte("mesh"), 0o600))
}

// rig is a port that answers, for a desk in a workspace of its own.
type rig struct {
	t     *testing.T
	addr  string
	desk  *files.Desk
	space *workspace.Workspace
	stop  func() // tells it to stop, and waits
	leave func() // tells it to stop
}

func newRig(t *testing.T, cfg Config, native *fakeNative, quota int64) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir(), Quota: quota}, log)
	require.NoError(t, err)
	desk := files.New(files.Config{Space: space, Native: native}, log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg.Now = now
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(cfg, desk, log).Serve(ctx, l) }()
	r := &rig{t: t, addr: l.Addr().String(), desk: desk, space: space, leave: cancel}
	r.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, space.Close())
	})
	t.Cleanup(r.stop)
	return r
}

// peer is a student's own master.
type peer struct {
	t  *testing.T
	nc *net.TCPConn
	in *bufio.Reader
}

func (r *rig) dial() *peer {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { nc.Close() })
	return &peer{t: r.t, nc: nc.(*net.TCPConn), in: bufio.NewReader(nc)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.nc, text)
	require.NoError(p.t, err)
}

// reply is the next line, without its stamp.
func (p *peer) reply() string {
	p.t.Helper()
	_ = p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := p.in.ReadString('\n')
	require.NoError(p.t, err, line)
	text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), nowText)
	require.True(p.t, ok, line)
	return text
}

// ask sends a request and returns its reply.
func (p *peer) ask(text string) string {
	p.t.Helper()
	p.send(text + "\n")
	return p.reply()
}

// ends waits until the port closes the connection.
func (p *peer) ends() {
	p.t.Helper()
	_ = p.nc.SetReadDeadline(time.Now().Add(time.Minute))
	rest, err := io.ReadAll(p.in)
	if err != nil {
		require.ErrorContains(p.t, err, "reset")
	}
	require.Empty(p.t, string(rest))
}

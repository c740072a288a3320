package files

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/computenode/workspace"
	"spillway/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNative writes text instead of pictures.
type fakeNative struct {
	frames int
	big    bool                            // each picture has 1000 bytes
	wait   func(ctx context.Context) error // in every call; nil: goes on
	asked  *job.Creation
}

func (f *fakeNative) begin(ctx context.Context, path string) error {
	if f.wait != nil {
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(path)
	if err == nil && strings.HasPrefix(string(data), "text") {
		err = job.E(job.InvalidArgument, "", fmt.Errorf("%s is of no kind that is known", filepath.Base(path)), "")
	}
	return err
}

func (f *fakeNative) Metadata(ctx context.Context, path string) (job.VideoInfo, error) {
	return job.VideoInfo{Rate: job.Rate{Num: 10, Den: 1}, Frames: 20}, f.begin(ctx, path)
}

func (f *fakeNative) Extract(ctx context.Context, path, dir string, _ job.Extraction) (int, error) {
	if err := f.begin(ctx, path); err != nil {
		return 0, err
	}
	for i := range f.frames {
		data := fmt.Appendf(nil, "frame %d", i)
		if f.big {
			data = make([]byte, 1000)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), data, 0o600); err != nil {
			return 0, err
		}
	}
	if f.big && f.frames > 5 {
		<-ctx.Done() // as long as nobody stops it
		return 0, ctx.Err()
	}
	return f.frames, nil
}

func (f *fakeNative) Create(ctx context.Context, c job.Creation, out string) error {
	f.asked = &c
	for _, path := range c.Names {
		if err := f.begin(ctx, path); err != nil {
			return err
		}
	}
	return os.WriteFile(out, fmt.Appendf(nil, "video of %d", len(c.Names)), 0o600)
}

func (f *fakeNative) DetectFace(ctx context.Context, path string) ([]job.Point, error) {
	return face(), f.begin(ctx, path)
}

func (f *fakeNative) DrawMesh(ctx context.Context, path, out string, _ []job.Point) error {
	if err := f.begin(ctx, path); err != nil {
		return err
	}
	return os.WriteFile(out, []byte("mesh"), 0o600)
}

// face is 68 points.
func face() []job.Point {
	points := make([]job.Point, job.FacePoints)
	for i := range points {
		points[i] = job.Point{X: float64(i), Y: float64(2 * i)}
	}
	return points
}

// open makes a desk in a workspace of its own with so much room.
func open(t *testing.T, quota int64, native Native) (*Desk, *workspace.Workspace) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir(), Quota: quota}, log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = space.Close() })
	return New(Config{Space: space, Native: native, Slots: 2}, log), space
}

func sum(data string) []byte {
	s := sha256.Sum256([]byte(data))
	return s[:]
}

// put puts a whole file.
func put(t *testing.T, d *Desk, name, data string) {
	t.Helper()
	require.NoError(t, d.Put(t.Context(), job.Piece{Name: name, Size: int64(len(data)), Data: []byte(data), Sum: sum(data)}))
}

// got is what a file holds.
func got(t *testing.T, d *Desk, name string) string {
	t.Helper()
	p, err := d.Get(t.Context(), name, 0)
	require.NoError(t, err)
	require.Equal(t, sum(string(p.Data)), p.Sum)
	return string(p.Data)
}

// names are the files that are whole.
func names(t *testing.T, d *Desk) (all []string) {
	t.Helper()
	list, err := d.List(t.Context())
	require.NoError(t, err)
	for _, f := range list {
		all = append(all, f.Name)
	}
	return all
}

// leftovers are the files in the workspace that nobody sees.
func leftovers(t *testing.T, space *workspace.Workspace) (all []string) {
	t.Helper()
	require.NoError(t, filepath.Walk(filepath.Join(space.Path(), bench), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			all = append(all, path)
		}
		return nil
	}))
	return all
}

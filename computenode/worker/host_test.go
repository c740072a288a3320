package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/computenode/workspace"
	"spillway/confine"
	"spillway/job"
)

// parcel is content in memory.
type parcel struct {
	in   []byte
	sum  []byte // nil: the right one
	wait time.Duration
	fail error // of Write
	out  map[string]string
}

func (p *parcel) Input(context.Context) (job.InputInfo, error) {
	return job.InputInfo{Size: int64(len(p.in))}, nil
}

func (p *parcel) Read(ctx context.Context, b []byte, offset int64) ([]byte, error) {
	if err := p.pass(ctx); err != nil {
		return nil, err
	}
	copy(b, p.in[offset:])
	switch right := sha256.Sum256(p.in); {
	case offset+int64(len(b)) < int64(len(p.in)):
		return nil, nil
	case p.sum != nil:
		return p.sum, nil
	default:
		return right[:], nil
	}
}

func (p *parcel) Write(ctx context.Context, in job.Piece) error {
	if err := errors.Join(in.Check(), p.pass(ctx)); err != nil {
		return err
	}
	if p.out == nil {
		p.out = map[string]string{}
	}
	p.out[in.Name] = p.out[in.Name][:in.Offset] + string(in.Data)
	return p.fail
}

func (p *parcel) pass(ctx context.Context) error {
	select {
	case <-time.After(p.wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copies is a runner that writes the input's bytes, as it finds them, twice over.
func copies(_ context.Context, r operation.Request) (operation.Reply, error) {
	data, err := os.ReadFile(filepath.Join(r.Base, job.InputDir, r.Name))
	if err != nil {
		return operation.Reply{}, err
	}
	out := operation.Output{Temp: operation.TempName(r.Name, r.Token), Name: r.Name}
	if err := os.MkdirAll(filepath.Join(r.Base, job.OutputDir), 0o755); err != nil {
		return operation.Reply{}, err
	}
	err = os.WriteFile(filepath.Join(r.Base, job.OutputDir, out.Temp), append(data, data...), 0o600)
	return operation.Reply{Outputs: []operation.Output{out}}, err
}

// newHost makes a worker with a workspace of so many bytes.
func newHost(t *testing.T, cfg Config, quota int64, c admission.Controller, r Runner) (w *Worker, base string) {
	t.Helper()
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir(), Quota: quota}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		entries, err := os.ReadDir(space.Path())
		require.NoError(t, err)
		require.Len(t, entries, 1, "only the lock: nothing is left of any task")
		require.Zero(t, space.Used())
		require.NoError(t, space.Close())
	})
	cfg.Workspace = space
	return newWorker(t, cfg, c, just(r))
}

func TestHost_WorksInTheWorkspaceAndHandsOver(t *testing.T) {
	w, base := newHost(t, Config{Slots: 1}, 0, &script{}, runnerFunc(copies))
	in500 := make([]byte, 500) // with its output it would not fit
	small, _ := newHost(t, Config{Slots: 1}, 1000, &script{}, runnerFunc(copies))
	_, err := small.Execute(t.Context(), job.Task{Name: "a.jpg", Content: &parcel{in: in500}})
	require.NoError(t, err, "the input makes room for the output")
	for _, in := range [][]byte{nil, []byte("pixels"), bytes.Repeat([]byte("0123456789abcdef"), job.ChunkBytes/8)} {
		p := &parcel{in: in}
		res, err := w.Execute(t.Context(), job.Task{Base: "/nowhere", Name: "a b.jpg", Marker: "m", Content: p})
		require.NoError(t, err)
		require.Equal(t, []string{"a b.jpg"}, res.Outputs)
		require.True(t, bytes.Equal(append(in, in...), []byte(p.out["a b.jpg"])))
	}
	require.Empty(t, left(t, base))
	require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
}

// partsOf has a worker with a workspace of so many bytes do the eight parts of a file of
// 60 bytes, so many at once, and returns how often the file was read.
func partsOf(t *testing.T, quota int64, atOnce int) (reads int64, space *workspace.Workspace) {
	t.Helper()
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir(), Quota: quota}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = space.Close() })
	w, _ := newWorker(t, Config{Slots: atOnce, Workspace: space}, &script{}, just(runnerFunc(func(ctx context.Context, r operation.Request) (operation.Reply, error) {
		r.Name = job.FileOf(r.Name)
		return copies(ctx, r)
	})))
	var group errgroup.Group
	group.SetLimit(atOnce)
	var all atomic.Int64
	for i := range 8 {
		part := job.Part{File: "clip.avi", Number: i + 1, Of: 8, Note: "-"}
		group.Go(func() error {
			p := &countedParcel{parcel: parcel{in: make([]byte, 60)}, reads: &all}
			_, err := w.Execute(t.Context(), job.Task{Job: "j", Name: part.Name(), Content: p})
			if err == nil && len(p.out["clip.avi"]) != 120 {
				err = errors.New("its output did not come")
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	w.Forget("another")
	return all.Load(), space
}

// countedParcel counts its reads.
type countedParcel struct {
	parcel
	reads *atomic.Int64
}

func (p *countedParcel) Read(ctx context.Context, b []byte, offset int64) ([]byte, error) {
	p.reads.Add(1)
	return p.parcel.Read(ctx, b, offset)
}

func TestHost_PartsOfOneFileFetchItOnce(t *testing.T) {
	reads, space := partsOf(t, 0, 4)
	require.Equal(t, int64(1), reads)
	require.Equal(t, int64(60), space.Used())
	reads, space = partsOf(t, 150, 1)
	require.Equal(t, int64(8), reads, "what is kept makes room for the output")
	require.Zero(t, space.Used())
}

func TestHost_FolderThatIsNotTheSameNeedsContentBeforeAnyDraw(t *testing.T) {
	c := &script{}
	w, base := newHost(t, Config{}, 0, c, runnerFunc(copies))
	for name, task := range map[string]job.Task{
		"another folder":     {Base: base, Marker: ".spillway-of-another"},
		"no such folder":     {Base: filepath.Join(base, "nowhere"), Marker: "m"},
		"outside its roots":  {Base: "/etc", Marker: "m"},
		"a marker like that": {Base: base, Marker: "../output_dir"},
	} {
		task.Name = "a.jpg"
		_, err := w.Execute(t.Context(), task)
		require.ErrorIs(t, err, job.ErrNeedsContent, name)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err), name)
	}
	require.Empty(t, c.arrivals, "the admission was not asked")

	require.NoError(t, os.WriteFile(filepath.Join(base, job.OutputDir, ".spillway-m"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(base, job.InputDir), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(base, job.InputDir, "a.jpg"), []byte("x"), 0o600))
	_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", Marker: ".spillway-m"})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{".spillway-m", "a.jpg"}, left(t, base), "it works in place where it sees the marker")
}

// The server may write there though this node may not.
func TestHost_FolderThatTheNodeMayNotWriteNeedsContent(t *testing.T) {
	w, base := newHost(t, Config{}, 0, &script{}, runnerFunc(copies))
	out := filepath.Join(base, job.OutputDir)
	require.NoError(t, os.WriteFile(filepath.Join(out, ".spillway-m"), nil, 0o600))
	if err := unix.Mount(out, out, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("making a folder read-only for root, too, needs root: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(out, 0)) }()
	require.NoError(t, unix.Mount("", out, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", Marker: ".spillway-m"})
	require.ErrorIs(t, err, job.ErrNeedsContent)
}

func TestHost_RejectedTaskFetchesNothing(t *testing.T) {
	c := &script{decisions: []admission.Decision{{Reject: true}}}
	w, _ := newHost(t, Config{}, 0, c, runnerFunc(copies))
	p := &parcel{in: []byte("x"), wait: time.Hour}
	_, err := w.Execute(t.Context(), job.Task{Name: "a.jpg", MayReject: true, Content: p})
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
}

func TestHost_TroubleLeavesNothingAndTellsWhose(t *testing.T) {
	broken := job.E(job.Unavailable, "", errors.New("gone"), "")
	fails := runnerFunc(func(ctx context.Context, r operation.Request) (operation.Reply, error) {
		_, _ = copies(ctx, r)
		return operation.Reply{}, job.E(job.Internal, "", errors.New("its process died"), "")
	})
	leads := runnerFunc(func(context.Context, operation.Request) (operation.Reply, error) {
		return operation.Reply{Outputs: []operation.Output{{Temp: "../../../etc/passwd", Name: "a"}}}, nil
	})
	for name, row := range map[string]struct {
		p      *parcel
		name   string
		runner Runner
		taken  int64 // by others
		code   job.Code
	}{
		"another hash":            {p: &parcel{in: []byte("x"), sum: make([]byte, 32)}, code: job.Unavailable},
		"no room at the moment":   {p: &parcel{in: make([]byte, 600)}, taken: 500, code: job.ResourceExhausted},
		"nor for the output":      {p: &parcel{in: make([]byte, 300)}, taken: 500, code: job.ResourceExhausted},
		"never for the output":    {p: &parcel{in: make([]byte, 501)}, code: job.Unimplemented},
		"never room":              {p: &parcel{in: make([]byte, 1001)}, code: job.Unimplemented},
		"nobody takes the output": {p: &parcel{in: []byte("x"), fail: broken}, code: job.Unavailable},
		"the child dies":          {p: &parcel{in: []byte("x")}, runner: fails, code: job.Internal},
		"a child that lies":       {p: &parcel{in: []byte("x")}, runner: leads, code: job.Internal},
		"a name that leads out":   {p: &parcel{in: []byte("x")}, name: "../x", code: job.InvalidArgument},
		"a hidden name":           {p: &parcel{in: []byte("x")}, name: ".spillway-x", code: job.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			if row.runner == nil {
				row.runner = runnerFunc(copies)
			}
			w, _ := newHost(t, Config{Slots: 1}, 1000, &script{}, row.runner)
			if row.name == "" {
				row.name = "a.jpg"
			}
			space := w.cfg.Workspace
			require.NoError(t, space.Put("others", row.taken, 0, nil))
			_, err := w.Execute(t.Context(), job.Task{Name: row.name, Content: row.p})
			require.NoError(t, space.DeleteAll())
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
			_, err = w.Execute(t.Context(), job.Task{Name: "b.jpg", Content: &parcel{}})
			if row.runner != nil && row.code != job.Internal {
				require.NoError(t, err, "the next one is done")
			}
		})
	}
}

func TestHost_CancelledInTransferEndsAtOnceAndTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newHost(t, Config{Slots: 1}, 0, &script{}, runnerFunc(copies))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.Execute(ctx, job.Task{Name: "a.jpg", Content: &parcel{in: []byte("x"), wait: time.Hour}})
		require.Equal(t, job.DeadlineExceeded, job.CodeOf(err))
		require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
	})
}

func TestHost_DrainsOnlyWhenOutputsAreHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newHost(t, Config{Slots: 1}, 0, &script{}, runnerFunc(copies))
		done := make(chan error, 1)
		go func() {
			_, err := w.Execute(t.Context(), job.Task{Name: "a.jpg", Content: &parcel{in: []byte("x"), wait: time.Minute}})
			done <- err
		}()
		time.Sleep(90 * time.Second) // it is handing over, without a slot
		require.Equal(t, job.Load{Slots: 1}, func() job.Load { l := loadOf(t, w); l.Mean = 0; return l }())
		drained := w.Drain()
		synctest.Wait()
		select {
		case <-drained:
			require.Fail(t, "it has not handed over yet")
		default:
		}
		<-drained
		require.NoError(t, <-done)
	})
}

func TestHost_NobodyWorksInPlaceInTheWorkspace(t *testing.T) {
	dir := t.TempDir()
	space, err := workspace.Open(workspace.Config{Dir: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer space.Close()
	w, _ := newWorker(t, Config{Workspace: space}, &script{}, func(base string) Runner { return runnerFunc(copies) })
	w.roots, err = confine.NewRoots(dir)
	require.NoError(t, err)
	_, err = w.Execute(t.Context(), job.Task{Base: filepath.Join(space.Path(), "x"), Name: "a.jpg"})
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
}

func TestHost_SignsOfLifeReadAByteEach(t *testing.T) {
	var reads atomic.Int64
	p := &countedParcel{parcel: parcel{in: []byte("abc")}, reads: &reads}
	sign := signOfLife(t.Context(), p, 3)
	for range 5 {
		sign()
	}
	require.Equal(t, int64(2), reads.Load(), "and never the last, which has the sum of all")
}

package operation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/goface"
	"spillway/native/opencv"
)

func TestMain(m *testing.M) {
	if strike := os.Getenv("OPERATION_TEST_FAULT"); strike != "" {
		os.Exit(strikeHere(strike))
	}
	code := m.Run()
	if n := liveHandles(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d native handles were not closed\n", n)
		code = 1
	}
	os.Exit(code)
}

// place is a folder with an input_dir, and an executor that may use it.
type place struct {
	*testing.T
	base  string
	roots confine.Roots
	exec  *Executor
}

func newPlace(t *testing.T) *place {
	t.Helper()
	root := t.TempDir()
	p := &place{T: t, base: filepath.Join(root, "data")}
	require.NoError(t, os.MkdirAll(filepath.Join(p.base, job.InputDir), 0o755))
	var err error
	p.roots, err = confine.NewRoots(root)
	require.NoError(t, err)
	p.exec = NewExecutor(p.roots)
	t.Cleanup(func() { require.NoError(t, p.exec.Close()) })
	return p
}

// in is the path of a file in input_dir, out that of one in output_dir.
func (p *place) in(name string) string  { return filepath.Join(p.base, job.InputDir, name) }
func (p *place) out(name string) string { return filepath.Join(p.base, job.OutputDir, name) }

// put writes an input.
func (p *place) put(name string, data []byte) {
	p.Helper()
	require.NoError(p, os.WriteFile(p.in(name), data, 0o644))
}

// run executes, and commits what came out.
func (p *place) run(name string, op job.Operation) (Reply, error) {
	reply, err := p.exec.Execute(context.Background(), p.request(name, op))
	if err == nil {
		err = Commit(p.roots, p.base, reply.Outputs)
	}
	return reply, err
}

func (p *place) request(name string, op job.Operation) Request {
	return Request{Base: p.base, Name: name, Token: "token", Operation: op}
}

// left lists what output_dir holds.
func (p *place) left() []string {
	p.Helper()
	entries, err := os.ReadDir(p.out(""))
	if !os.IsNotExist(err) {
		require.NoError(p, err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// liveHandles is the number of native handles that are not closed.
func liveHandles() int64 { return opencv.Live() + dlib.Live() + goface.Live() }

package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// Lab is a temporary folder in which clusters of the real programs run. Its methods
// may be called concurrently.
type Lab struct {
	bin   string
	dir   string
	ports ports
}

// NewLab makes a lab for the programs in the folder bin, in memory where there is much
// of it. The caller closes it. Errors: FailedPrecondition.
func NewLab(bin string) (*Lab, error) {
	dir, err := temporary()
	if err != nil {
		return nil, err
	}
	return &Lab{bin: bin, dir: dir}, nil
}

// Close removes the folder, with all jobs and logs. Its clusters are stopped before.
func (l *Lab) Close() error { return os.RemoveAll(l.dir) }

// roomy is the free memory from which files are kept there, away from the noise
// of a disk.
const roomy = 4 << 30

// temporary makes the folder of a lab.
func temporary() (string, error) {
	const memory = "/dev/shm"
	var fs unix.Statfs_t
	where := ""
	if unix.Statfs(memory, &fs) == nil && int64(fs.Bavail)*fs.Bsize >= roomy {
		where = memory
	}
	dir, err := os.MkdirTemp(where, "spillway-bench-")
	if err != nil {
		return "", job.E(job.FailedPrecondition, "make a temporary folder", err, "name another place with TMPDIR")
	}
	return dir, nil
}

// folder makes a job's folder with an empty input_dir, and returns both.
func (l *Lab) folder(name string) (base, inputs string, err error) {
	base = filepath.Join(l.dir, name)
	inputs = filepath.Join(base, job.InputDir)
	return base, inputs, os.MkdirAll(inputs, 0o755)
}

// Empty makes a job's folder of n inputs without content, for the operation none, and
// returns its path.
func (l *Lab) Empty(ctx context.Context, name string, n int) (string, error) {
	return l.fill(ctx, name, n, func(int, *os.File) error { return nil })
}

// fill makes a job's folder of n inputs with what write writes.
func (l *Lab) fill(ctx context.Context, name string, n int, write func(i int, f *os.File) error) (base string, err error) {
	base, inputs, err := l.folder(name)
	if err != nil {
		return "", err
	}
	for i := range n {
		if i%1000 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		f, err := os.Create(filepath.Join(inputs, fmt.Sprintf("%07d.png", i)))
		if err != nil {
			return "", err
		}
		if err := errors.Join(write(i, f), f.Close()); err != nil {
			return "", err
		}
	}
	return base, nil
}

package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"spillway/confine"
	"spillway/job"
	"spillway/server/files"
)

// room bounds the bytes of all files.
type room struct {
	quota, spare int64
	free         func() (int64, error)

	mu           sync.Mutex
	used, coming int64 // bytes of what is whole, and of what is promised
}

// fits reports why n bytes more have no room. Errors: ResourceExhausted, wrapping
// [files.ErrFull]; Unavailable.
func (r *room) fits(n int64) error {
	free, err := r.free()
	if err != nil {
		return full(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.check(n, free)
}

// claim promises n bytes more. Errors: as those of fits.
func (r *room) claim(n int64) error {
	free, err := r.free()
	if err != nil {
		return full(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(n, free); err != nil {
		return err
	}
	r.coming += n
	return nil
}

// check is fits with the disk's free bytes; mu is held.
func (r *room) check(n, free int64) error {
	switch {
	case n > free-r.coming-r.spare:
		return job.E(job.ResourceExhausted, "keep the file", fmt.Errorf("%w on the disk", files.ErrFull), "delete workloads, or free the server's disk")
	case r.quota > 0 && n > r.quota-r.used-r.coming:
		return job.E(job.ResourceExhausted, "keep the file", fmt.Errorf("%w: all workloads may have %d bytes", files.ErrFull, r.quota), "delete workloads, or ask an admin for a greater --files-quota")
	}
	return nil
}

// settle takes a promise back, of which so many bytes are there now.
func (r *room) settle(promised, there int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming -= promised
	r.used += there
}

// give tells that so many bytes are gone; a negative number has come by itself.
func (r *room) give(n int64) { r.settle(0, -n) }

// freeBytes is what the disk has for users without privileges.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil //nolint:gosec // no disk has 2^63 blocks
}

// sizeOf is the bytes of all files below a path, or of the file. What vanishes meanwhile
// has none.
func sizeOf(path string) (sum int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// full is what a caller is told of an error of the disk: no paths.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return job.E(job.ResourceExhausted, "keep the file", fmt.Errorf("%w on the disk", files.ErrFull), "delete workloads, or free the server's disk")
	}
	return job.E(job.Unavailable, "keep the file", confine.WithoutPath(err), "look at the server's disk")
}

// syncDir makes what was renamed in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

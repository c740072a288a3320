package split

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"spillway/confine"
	"spillway/job"
)

// abandoned is the age at which a file that was being written belongs to nobody.
const abandoned = 24 * time.Hour

// forgotten is the age at which a segment is that of a job whose server died for good.
const forgotten = 14 * 24 * time.Hour

// Carrier is the folder of a job while it runs: it shows to nodes that see it that
// they do, and carries files to the others. It may be used concurrently.
type Carrier struct {
	folder *confine.Folder
	id     job.ID
	own    string // begins the names of its hidden files
	marker string
	count  atomic.Int64

	stop  context.CancelFunc
	swept sync.WaitGroup
}

// Carry opens the folder of a job that begins to run, and puts its marker into
// output_dir, which it makes where it is missing. The caller closes the carrier.
//
// Errors: those of opening the folder; PermissionDenied or FailedPrecondition where
// output_dir cannot be written.
func Carry(roots confine.Roots, base string, id job.ID) (*Carrier, error) {
	folder, err := roots.Open(base)
	if err != nil {
		return nil, explain(base, roots, pictures{}, err)
	}
	c := &Carrier{folder: folder, id: id}
	word := rand.Text()
	c.own = job.TempPrefix(id) + word[:10] + "-"
	c.marker = c.own + word[10:] + ".shared"
	if err := c.mark(); err != nil {
		folder.Close()
		return nil, writing(c.marker, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.swept.Go(func() { c.sweep(ctx) })
	return c, nil
}

// mark makes the marker.
func (c *Carrier) mark() error {
	if err := c.folder.MkdirAll(job.OutputDir); err != nil {
		return err
	}
	file, err := c.folder.Create(path.Join(job.OutputDir, c.marker))
	if err != nil {
		return err
	}
	return file.Close()
}

// sweep removes hidden files that have been written by nobody for long. Younger ones
// of this job may be of attempts that run; its end removes them (Source.Clean).
func (c *Carrier) sweep(ctx context.Context) {
	dir, err := c.folder.Open(job.OutputDir)
	if err != nil {
		return
	}
	defer dir.Close()
	for ctx.Err() == nil {
		names, err := dir.Readdirnames(batch)
		for _, name := range names {
			file := path.Join(job.OutputDir, name)
			if strings.HasPrefix(name, job.HiddenPrefix) && c.isAbandoned(file) {
				_ = c.folder.Remove(file)
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *Carrier) isAbandoned(file string) bool {
	age := abandoned
	if strings.HasSuffix(file, job.SegmentSuffix) { // it may wait for the others of a long job
		age = forgotten
	} else if !strings.HasSuffix(file, ".part") {
		return false
	}
	info, err := c.folder.Stat(file)
	return err == nil && time.Since(info.ModTime()) > age
}

// Marker is the name of a file in output_dir that nobody could know before.
func (c *Carrier) Marker() string { return c.marker }

// Close removes the marker. Every parcel must have been discarded. Errors: those
// of the disk.
func (c *Carrier) Close() error {
	c.stop()
	c.swept.Wait()
	err := c.folder.Remove(path.Join(job.OutputDir, c.marker))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, c.folder.Close())
}

// Parcel is the files of one attempt at the input called name. The caller commits
// or discards it.
func (c *Carrier) Parcel(name string) *Parcel {
	return &Parcel{carrier: c, name: name, outs: map[string]*staged{}, room: maxOutputBytes}
}

// temp is a new name for a file that is being written.
func (c *Carrier) temp() string { return c.own + strconv.FormatInt(c.count.Add(1), 36) + ".part" }

// reading is an error met with an input.
func reading(name string, err error) error {
	op := "read " + job.Shown(path.Join(job.InputDir, name))
	switch {
	case errors.Is(err, confine.ErrOutside):
		return job.E(job.PermissionDenied, op, confine.ErrOutside, "keep files, and what links point to, below the server's --root")
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, errors.New("there is no such file any more, or it is a link that leads nowhere"), "put it back, or submit the folder again")
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, errors.New("the server may not read it"), "let the user that runs the server read it (chmod a+r)")
	case errors.Is(err, syscall.ELOOP):
		return job.E(job.InvalidArgument, op, errors.New("its links lead in a circle"), "mend the link")
	}
	return job.E(job.Unavailable, op, fmt.Errorf("the server cannot read it: %w", reason(err)), "check the server's disk")
}

// writing is an error met with an output.
func writing(name string, err error) error {
	op := "write " + job.Shown(path.Join(job.OutputDir, name))
	switch {
	case errors.Is(err, confine.ErrOutside):
		return job.E(job.PermissionDenied, op, confine.ErrOutside, "keep output_dir, and what it points to, below the server's --root")
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, errors.New("the server may not write there"), "let the user that runs the server write to output_dir (chmod u+w)")
	case errors.Is(err, syscall.EROFS):
		return job.E(job.FailedPrecondition, op, errors.New("the file system is read-only"), "mount it writable, or use another folder")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.E(job.Unavailable, op, errors.New("the server's disk is full"), "free some space there")
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return job.E(job.FailedPrecondition, op, errors.New("a directory has that name"), "remove it or rename it")
	case errors.Is(err, syscall.ENOTDIR):
		return job.E(job.FailedPrecondition, op, errors.New("output_dir is not a directory"), "remove what has that name")
	}
	return job.E(job.Unavailable, op, fmt.Errorf("the server cannot write it: %w", reason(err)), "check the server's disk")
}

package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"spillway/job"
)

// New is a file that is to come.
type New struct {
	Folder, Name string
	Size         int64  // bytes
	Sum          []byte // SHA-256; nil: not known
	Overwrite    bool   // replaces what has the name
}

// Put takes a whole file of n.Size bytes from body into the folder's input_dir.
// Errors: InvalidArgument (a name that cannot be, fewer bytes, another sum: [ErrSum]),
// AlreadyExists, ResourceExhausted ([ErrFull]), Unavailable, and those of body.
func (s *Store) Put(ctx context.Context, n New, body io.Reader) (err error) {
	if err := checkPath(n.Folder, InputDir, n.Name); err != nil {
		return err
	}
	op, part := "file "+job.Shown(n.Name), rand.Text()+partSuffix
	if err := s.claim(n, claim{size: n.Size, part: part}); err != nil {
		return err
	}
	defer func() { s.free(path.Join(n.Folder, n.Name), part, err == nil) }()
	at := path.Join(hidden, part)
	f, err := s.root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return s.trouble(op, err)
	}
	defer func() { _ = s.root.Remove(at) }() // it is elsewhere, or nobody's
	sum := sha256.New()
	read := &failing{r: io.LimitReader(body, n.Size)}
	wrote, err := io.Copy(io.MultiWriter(f, sum), read)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	switch {
	case read.err != nil:
		return read.err
	case err != nil:
		return s.trouble(op, err)
	case ctx.Err() != nil:
		return ctx.Err()
	case wrote != n.Size:
		return job.E(job.InvalidArgument, op, fmt.Errorf("%d of %d bytes came", wrote, n.Size), "send all of it")
	case n.Sum != nil && !bytes.Equal(n.Sum, sum.Sum(nil)):
		return badSum(op)
	}
	return s.settle(part, n)
}

// badSum tells that a file is not what was sent.
func badSum(op string) error {
	return job.E(job.InvalidArgument, op, fmt.Errorf("%w: its SHA-256 is not the one that was named", ErrSum), "send it again")
}

// settle gives a whole file its place. Without Overwrite nothing is replaced, even what
// came meanwhile from elsewhere. It may be done again where it was cut off.
func (s *Store) settle(part string, n New) error {
	op, dir := "file "+job.Shown(n.Name), path.Join(n.Folder, InputDir)
	part = path.Join(hidden, part)
	if err := s.root.MkdirAll(dir, 0o750); err != nil {
		return s.trouble(op, err)
	}
	at := path.Join(dir, n.Name)
	old, none := s.root.Lstat(at)
	if n.Overwrite {
		err := s.root.Rename(part, at)
		if err == nil && none == nil {
			s.less(old.Size())
		}
		return s.trouble(op, err)
	}
	err := s.root.Link(part, at)
	if errors.Is(err, os.ErrExist) && none == nil {
		if whole, gone := s.root.Lstat(part); gone == nil && os.SameFile(old, whole) {
			return s.trouble(op, s.root.Remove(part))
		}
	}
	if errors.Is(err, os.ErrExist) {
		return job.E(job.AlreadyExists, op, errors.New("there is one of this name"), "delete it, or choose another name")
	}
	if err != nil {
		return s.trouble(op, err)
	}
	return s.trouble(op, s.root.Remove(part))
}

// failing remembers the error of a reader, apart from those of the writer.
type failing struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

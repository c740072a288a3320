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
	if err := s.claim(n.Folder, n.Name, n.Size, n.Overwrite); err != nil {
		return err
	}
	defer func() { s.release(n.Folder, n.Name, err == nil) }()
	op, part := "file "+job.Shown(n.Name), path.Join(hidden, rand.Text()+partSuffix)
	f, err := s.root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return trouble(op, err)
	}
	defer func() { _ = s.root.Remove(part) }() // it is elsewhere, or nobody's
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
		return trouble(op, err)
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
// came meanwhile from elsewhere.
func (s *Store) settle(part string, n New) error {
	op, dir := "file "+job.Shown(n.Name), path.Join(n.Folder, InputDir)
	if err := s.root.MkdirAll(dir, 0o750); err != nil {
		return trouble(op, err)
	}
	at := path.Join(dir, n.Name)
	if n.Overwrite {
		return trouble(op, s.root.Rename(part, at))
	}
	err := s.root.Link(part, at)
	if errors.Is(err, os.ErrExist) {
		return job.E(job.AlreadyExists, op, errors.New("there is one of this name"), "delete it, or choose another name")
	}
	if err != nil {
		return trouble(op, err)
	}
	return trouble(op, s.root.Remove(part))
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

package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"spillway/job"
)

// Put implements [job.Files].
func (d *Desk) Put(ctx context.Context, p job.Piece) error {
	name, err := onShelf(p.Name)
	if err == nil {
		err = p.Check()
	}
	if err == nil && len(p.Data) > job.ChunkBytes {
		err = job.E(job.InvalidArgument, "put "+job.Shown(p.Name), fmt.Errorf("a piece has at most %d bytes", job.ChunkBytes), "")
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = d.cfg.Space.Put(name, p.Size, p.Offset, p.Data)
	}
	if err == nil && p.Last() {
		err = d.cfg.Space.Commit(name, p.Size, p.Sum)
	}
	return putting(p.Name, err)
}

// putting names the file, not where it lies, in an error of the workspace; any other
// stays as it is.
func putting(name string, err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return job.E(e.Code, "put "+job.Shown(name), e.Err, e.Hint)
	}
	return err
}

// PutOffset implements [job.Files].
func (d *Desk) PutOffset(_ context.Context, name string, size int64) (int64, error) {
	name, err := onShelf(name)
	if err != nil {
		return 0, err
	}
	return d.cfg.Space.OffsetOf(name, max(size, 0)), nil
}

// Receive takes a file of size bytes from r in one go. Unless all of them come,
// nothing of it stays. Errors: those of Put, and those of r as they are.
func (d *Desk) Receive(ctx context.Context, name string, size int64, r io.Reader) error {
	final, err := onShelf(name)
	if err != nil {
		return err
	}
	folder := d.newFolder()
	defer d.clear(folder)
	return putting(name, d.receive(ctx, path.Join(folder, "it"), final, size, r))
}

// receive has what comes from r lie at temp until it is whole.
func (d *Desk) receive(ctx context.Context, temp, final string, size int64, r io.Reader) error {
	if err := d.cfg.Space.Put(temp, size, 0, nil); err != nil {
		return err
	}
	sum := sha256.New()
	buffer := make([]byte, min(size, job.ChunkBytes))
	for offset := int64(0); offset < size; {
		piece := buffer[:min(size-offset, job.ChunkBytes)]
		if _, err := io.ReadFull(r, piece); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		sum.Write(piece)
		if err := d.cfg.Space.Put(temp, size, offset, piece); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
	if err := d.cfg.Space.Commit(temp, size, sum.Sum(nil)); err != nil {
		return err
	}
	return d.cfg.Space.Move(temp, final)
}

// Get implements [job.Files].
func (d *Desk) Get(ctx context.Context, name string, offset int64) (job.Piece, error) {
	file, size, err := d.Open(ctx, name)
	if err != nil {
		return job.Piece{}, err
	}
	defer file.Close()
	op := "get " + job.Shown(name)
	if offset < 0 || offset > size || offset == size && size > 0 {
		return job.Piece{}, job.E(job.InvalidArgument, op, fmt.Errorf("there is nothing at %d of %d bytes", offset, size), "begin at the first byte")
	}
	p := job.Piece{Name: name, Size: size, Offset: offset, Data: make([]byte, min(size-offset, job.ChunkBytes))}
	if n, err := file.ReadAt(p.Data, offset); n < len(p.Data) {
		return job.Piece{}, job.E(job.Unavailable, op, fmt.Errorf("read it: %w", err), "check the node's disk")
	}
	if p.Last() {
		p.Sum, err = d.sum(ctx, name, file)
	}
	return p, err
}

// Open opens a file for reading; the caller closes it. Errors: InvalidArgument,
// NotFound, Unavailable.
func (d *Desk) Open(_ context.Context, name string) (*os.File, int64, error) {
	at, err := onShelf(name)
	if err != nil {
		return nil, 0, err
	}
	file, size, err := d.cfg.Space.Get(at)
	if job.CodeOf(err) == job.NotFound {
		err = job.E(job.NotFound, "file "+job.Shown(name), errors.New("the node has no such file"), "list its files with: client node NAME ls")
	}
	return file, size, err
}

// sum is the SHA-256 of an open file. It is kept, since who resumes asks again.
func (d *Desk) sum(ctx context.Context, name string, file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	k, ok := d.sums[name]
	d.mu.Unlock()
	if ok && os.SameFile(k.info, info) && k.info.ModTime().Equal(info.ModTime()) && k.info.Size() == info.Size() {
		return k.sum, nil
	}
	sum := sha256.New()
	buffer := make([]byte, 64<<10)
	for at := int64(0); at < info.Size(); {
		n, err := file.ReadAt(buffer[:min(int64(len(buffer)), info.Size()-at)], at)
		if err != nil && n == 0 {
			return nil, job.E(job.Unavailable, "get "+job.Shown(name), fmt.Errorf("read it: %w", err), "check the node's disk")
		}
		sum.Write(buffer[:n])
		at += int64(n)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sums[name] = known{info: info, sum: sum.Sum(nil)}
	return d.sums[name].sum, nil
}

// List implements [job.Files].
func (d *Desk) List(context.Context) ([]job.FileInfo, error) { return d.cfg.Space.List(shelf) }

// Delete implements [job.Files].
func (d *Desk) Delete(ctx context.Context, name string) error {
	file, _, err := d.Open(ctx, name)
	if err == nil {
		file.Close()
	}
	if err != nil && job.CodeOf(err) != job.NotFound {
		return err
	}
	d.mu.Lock()
	delete(d.sums, name)
	d.mu.Unlock()
	at := path.Join(shelf, name)
	unfinished := d.cfg.Space.Offset(at) > 0
	if gone := d.cfg.Space.Delete(at); gone != nil {
		return gone
	}
	if unfinished {
		return nil
	}
	return err
}

// DeleteAll implements [job.Files].
func (d *Desk) DeleteAll(context.Context) error {
	d.mu.Lock()
	clear(d.sums)
	d.mu.Unlock()
	return d.cfg.Space.Delete(shelf)
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"spillway/job"
)

// A transfer that breaks off goes on, after a pause that doubles from pauseMin to
// pauseMax, until it has broken off tries times without any progress.
const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 3 * time.Second
	tries    = 8
)

// patience counts the breaks of one transfer. The zero value has its patience still.
type patience struct{ broken int }

// goOn waits before the next try. Errors: why, where another try is of no use.
func (p *patience) goOn(ctx context.Context, why error) error {
	again := errors.Is(why, job.ErrLost) || errors.Is(why, job.ErrNotSent) || job.CodeOf(why) == job.FailedPrecondition ||
		job.CodeOf(why) == job.DeadlineExceeded
	if p.broken++; !again || p.broken >= tries || ctx.Err() != nil {
		return why
	}
	timer := time.NewTimer(min(pauseMin<<(p.broken-1), pauseMax))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return why
	}
}

// progressed forgets the breaks.
func (p *patience) progressed() { p.broken = 0 }

// upload sends a file to a node.
type upload struct {
	files job.Files
	show  func(done, total int64)
}

// run sends the file at path as name, and goes on where an earlier run broke off. It
// returns its size. Errors: those of job.Files, and of the file.
func (u upload) run(ctx context.Context, path, name string) (int64, error) {
	file, size, err := openRegular(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var p patience
	sum := &sumTo{file: file, sum: sha256.New()}
	anew := false
	for {
		err := u.send(ctx, sum, job.Piece{Name: name, Size: size}, &p)
		switch {
		case err == nil:
			return size, nil
		case job.CodeOf(err) == job.Unavailable && !errors.Is(err, job.ErrLost) && !errors.Is(err, job.ErrNotSent) && !anew:
			anew = true // what was there was perhaps of another file of that name and size
		default:
			if err := p.goOn(ctx, err); err != nil {
				return 0, err
			}
		}
	}
}

// send sends pieces from where the node has none yet.
func (u upload) send(ctx context.Context, sum *sumTo, whole job.Piece, p *patience) error {
	offset, err := u.files.PutOffset(ctx, whole.Name, whole.Size)
	if err != nil {
		return err
	}
	if offset == whole.Size { // the last piece ends the transfer
		offset = max(0, offset-job.ChunkBytes)
	}
	buffer := make([]byte, min(job.ChunkBytes, whole.Size))
	for {
		piece := whole
		piece.Offset, piece.Data = offset, buffer[:min(int64(len(buffer)), whole.Size-offset)]
		if _, err := sum.file.ReadAt(piece.Data, offset); err != nil {
			return unreadable(sum.file.Name(), fmt.Errorf("it became shorter: %w", err))
		}
		if piece.Last() {
			if piece.Sum, err = sum.upTo(whole.Size); err != nil {
				return unreadable(sum.file.Name(), err)
			}
		}
		if err := u.files.Put(ctx, piece); err != nil {
			return err
		}
		p.progressed()
		offset += int64(len(piece.Data))
		u.show(offset, whole.Size)
		if piece.Last() {
			return nil
		}
	}
}

// sumTo is the SHA-256 of the beginning of a file, which is read once.
type sumTo struct {
	file *os.File
	sum  hash.Hash
	at   int64
}

// upTo is the sum of the first size bytes; it never goes back.
func (s *sumTo) upTo(size int64) ([]byte, error) {
	n, err := io.Copy(s.sum, io.NewSectionReader(s.file, s.at, size-s.at))
	s.at += n
	if err == nil && s.at < size {
		err = io.ErrUnexpectedEOF
	}
	return s.sum.Sum(nil), err
}

// download fetches a file from a node.
type download struct {
	files job.Files
	show  func(done, total int64)
}

// run fetches name to the file at path, and goes on where an earlier run broke off:
// what has come lies beside it, and gets its name when it is whole. It returns the
// size. Errors: those of job.Files, and of the file.
func (d download) run(ctx context.Context, name, path string) (int64, error) {
	part := filepath.Join(filepath.Dir(path), job.HiddenPrefix+filepath.Base(path)+".part")
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return 0, unwritable(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, unwritable(path, err)
	}
	size, err := d.fetch(ctx, name, file, info.Size())
	switch {
	case job.CodeOf(err) == job.NotFound && err != nil:
		os.Remove(part)
		return 0, err
	case err != nil:
		return 0, err
	}
	if err := errors.Join(file.Close(), os.Rename(part, path)); err != nil {
		return 0, unwritable(path, err)
	}
	return size, nil
}

// errOther tells that what has come belongs to another content of the file.
var errOther = errors.New("the file changed while it was fetched, or arrived otherwise than it was sent")

// fetch fills file, whose first have bytes came before.
func (d download) fetch(ctx context.Context, name string, file *os.File, have int64) (int64, error) {
	var p patience
	resumed := have > 0
	for {
		size, got, err := d.take(ctx, name, file, have, &p)
		have = got
		switch {
		case err == nil:
			return size, nil
		case resumed && (errors.Is(err, errOther) || job.CodeOf(err) == job.InvalidArgument):
			resumed, have = false, 0
			continue
		case errors.Is(err, errOther):
			return 0, job.E(job.Unavailable, "get "+job.Shown(name), err, "fetch it again")
		}
		if err := p.goOn(ctx, err); err != nil {
			return 0, err
		}
	}
}

// take takes pieces behind the first have bytes, and returns how many there are then.
func (d download) take(ctx context.Context, name string, file *os.File, have int64, p *patience) (size, got int64, err error) {
	offset := max(0, have-1) // one byte at least, for the sum comes with the last piece
	size = -1
	for {
		piece, err := d.files.Get(ctx, name, offset)
		if err != nil {
			return 0, have, err
		}
		if size >= 0 && piece.Size != size {
			return 0, 0, errOther
		}
		size = piece.Size
		if _, err := file.WriteAt(piece.Data, offset); err != nil {
			return 0, have, unwritable(file.Name(), err)
		}
		p.progressed()
		offset += int64(len(piece.Data))
		have = max(have, offset)
		d.show(offset, size)
		if piece.Last() {
			return size, have, d.verify(file, piece)
		}
	}
}

// verify compares the file with the sum of its last piece.
func (d download) verify(file *os.File, last job.Piece) error {
	if err := file.Truncate(last.Size); err != nil {
		return unwritable(file.Name(), err)
	}
	sum, err := (&sumTo{file: file, sum: sha256.New()}).upTo(last.Size)
	if err != nil {
		return unwritable(file.Name(), err)
	}
	if !bytes.Equal(sum, last.Sum) {
		return errOther
	}
	return nil
}

// openRegular opens a file to send. Errors: InvalidArgument, NotFound.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path) // before opening: to open a pipe would block
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	return file, info.Size(), nil
}

// unreadable and unwritable are errors of files of this machine.
func unreadable(path string, err error) error { return localTrouble("read", path, err) }

func unwritable(path string, err error) error { return localTrouble("write", path, err) }

func localTrouble(what, path string, err error) error {
	code := job.InvalidArgument
	if errors.Is(err, fs.ErrNotExist) {
		code = job.NotFound
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return job.E(code, what+" "+job.Shown(path), err, "")
}

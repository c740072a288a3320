package workload

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"spillway/job"
)

// promise is how many bytes are promised at a time to an upload: what is only announced
// takes no room from others.
const promise = 1 << 20

// Receive writes a picture to the disk, whole and for good, where it is nobody's until
// it is kept; who does not keep it drops it. size is what body is to have; -1: unknown.
// Errors: InvalidArgument (it is no picture), ResourceExhausted (there is no room),
// Unavailable, and those of body.
func (w *Workloads) Receive(ctx context.Context, body io.Reader, size int64) (u job.Upload, err error) {
	head := make([]byte, 16)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return u, err
	}
	if u.Extension = extensionOf(head[:n]); u.Extension == "" {
		return u, job.E(job.InvalidArgument, "image", errors.New("the file is no picture, by its first bytes"), "send JPEG, PNG, WebP, BMP or TIFF")
	}
	if err := w.room.fits(max(size, 0)); err != nil {
		return u, err
	}
	in := &claiming{room: &w.room, size: size}
	u.Name = string(job.NewID())
	path := filepath.Join(w.uploads(), u.Name)
	if in.f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err != nil {
		return u, full(err)
	}
	u.Size, err = fill(in, head[:n], body)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if err = in.f.Sync(); err != nil {
			err = full(err)
		}
	}
	if e := in.f.Close(); e != nil && err == nil {
		err = full(e)
	}
	if err != nil {
		_ = os.Remove(path)
		u.Size = 0
	}
	w.room.settle(in.claimed, u.Size)
	return u, err
}

func fill(to io.Writer, head []byte, body io.Reader) (int64, error) {
	n, err := to.Write(head)
	if err != nil {
		return int64(n), err
	}
	rest, err := io.Copy(to, body)
	return int64(n) + rest, err
}

// claiming writes a file, for which it claims room as it goes.
type claiming struct {
	f              *os.File
	room           *room
	size           int64 // that is announced; -1: none
	claimed, wrote int64
}

// Write implements io.Writer. Its errors are those of a room, and of a full disk.
func (c *claiming) Write(b []byte) (int, error) {
	if more := c.wrote + int64(len(b)) - c.claimed; more > 0 {
		step := int64(promise)
		if c.size >= 0 {
			step = min(step, c.size-c.claimed)
		}
		step = max(step, more)
		if err := c.room.claim(step); err != nil {
			return 0, err
		}
		c.claimed += step
	}
	n, err := c.f.Write(b)
	c.wrote += int64(n)
	if err != nil {
		err = full(err)
	}
	return n, err
}

// Drop removes an upload that was not kept; of one that was, it leaves everything.
func (w *Workloads) Drop(u job.Upload) {
	if u.Name == "" || os.Remove(filepath.Join(w.uploads(), u.Name)) != nil {
		return
	}
	w.room.give(u.Size)
}

// extensionOf is the ending of a picture that begins so; "": it is none.
func extensionOf(head []byte) string {
	h := string(head)
	has := func(at int, what string) bool { return len(h) >= at+len(what) && h[at:at+len(what)] == what }
	switch {
	case has(0, "\xff\xd8\xff"):
		return ".jpg"
	case has(0, "\x89PNG\r\n\x1a\n"):
		return ".png"
	case has(0, "RIFF") && has(8, "WEBP"):
		return ".webp"
	case has(0, "BM"):
		return ".bmp"
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return ".tif"
	}
	return ""
}

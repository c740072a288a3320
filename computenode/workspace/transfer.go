package workspace

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// transfer is a file that comes in.
type transfer struct {
	name string
	temp string
	size int64 // reserved

	mu      sync.Mutex // guards what follows; held after the workspace's
	file    *os.File
	sum     hash.Hash // of what has come
	written int64
	ended   bool

	touched time.Time // guarded by the workspace's mutex
}

// Put takes a piece of a file of size bytes. The first reserves room for all of
// them, and whoever begins again at 0 with another size begins anew. Pieces come in
// the order of their offsets; one that came before may come again, so that a
// transfer that broke goes on at [Workspace.Offset]. Until [Workspace.Commit] the
// file cannot be seen.
//
// Errors: InvalidArgument (a name that leads out, or offsets beyond the size),
// FailedPrecondition (bytes are missing before the piece), ResourceExhausted (the
// quota has no room at the moment), Unimplemented (it never has), Unavailable (the
// disk; what came is gone, so that it makes room).
func (w *Workspace) Put(name string, size, offset int64, data []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if strings.HasPrefix(path.Base(name), job.HiddenPrefix) {
		return badName(name)
	}
	if size < 0 || offset < 0 || offset > size || int64(len(data)) > size-offset {
		return job.E(job.InvalidArgument, "put "+job.Shown(name), fmt.Errorf("%d bytes at %d do not fit a file of %d", len(data), offset, size), "")
	}
	t, err := w.transfer(name, size, offset)
	if err != nil {
		return err
	}
	err = t.write(offset, data)
	if job.CodeOf(err) == job.Unavailable {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.transfers[name] == t {
			w.drop(t)
		}
	}
	return err
}

// transfer finds the one of that name, or begins it.
func (w *Workspace) transfer(name string, size, offset int64) (*transfer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.transfers[name]
	if t != nil && t.size != size && offset == 0 {
		w.drop(t)
		t = nil
	}
	switch {
	case t != nil && t.size == size:
		t.touched = time.Now()
		return t, nil
	case t != nil || offset > 0:
		return nil, job.E(job.FailedPrecondition, "put "+job.Shown(name), errors.New("no transfer of that size goes on"), "begin at the first byte")
	}
	if err := w.reserve(name, size); err != nil {
		return nil, err
	}
	temp := tempName(name)
	file, err := w.create(temp)
	if err != nil {
		w.used -= size
		return nil, diskTrouble("put "+job.Shown(name), err)
	}
	t = &transfer{name: name, temp: temp, size: size, file: file, sum: sha256.New(), touched: time.Now()}
	w.transfers[name] = t
	return t, nil
}

// create makes a new file, and the folder that it lies in.
func (w *Workspace) create(temp string) (*os.File, error) {
	if dir := path.Dir(temp); dir != "." {
		if err := w.root.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return w.root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
}

// write takes those bytes of data that have not come yet.
func (t *transfer) write(offset int64, data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	op := "put " + job.Shown(t.name)
	switch end := offset + int64(len(data)); {
	case t.ended:
		return job.E(job.FailedPrecondition, op, errors.New("its transfer has ended"), "begin at the first byte")
	case offset > t.written:
		return job.E(job.FailedPrecondition, op, fmt.Errorf("only %d bytes have come before the piece at %d", t.written, offset), "go on from there")
	case end <= t.written:
		return nil
	}
	data = data[t.written-offset:]
	n, err := t.file.WriteAt(data, t.written)
	t.sum.Write(data[:n])
	t.written += int64(n)
	if err != nil {
		return diskTrouble(op, err)
	}
	return nil
}

// Offset is how many bytes of an unfinished file have come; 0 where none goes on.
func (w *Workspace) Offset(name string) int64 { return w.OffsetOf(name, -1) }

// OffsetOf is Offset, of a file that is to have size bytes; 0 where the one that goes
// on is to have another.
func (w *Workspace) OffsetOf(name string, size int64) int64 {
	w.mu.Lock()
	t := w.transfers[name]
	w.mu.Unlock()
	if t == nil || size >= 0 && t.size != size {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written
}

// Commit shows the file under its name, replacing what has it, if it is whole and
// has the SHA-256 sum. An empty file needs no piece but one of no bytes.
//
// Errors: FailedPrecondition (no such transfer, bytes are missing: put them),
// Unavailable (another sum; what came is gone, put it again; or the disk).
func (w *Workspace) Commit(name string, size int64, sum []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	op := "commit " + job.Shown(name)
	t := w.transfers[name]
	if t == nil {
		return job.E(job.FailedPrecondition, op, errors.New("no transfer goes on"), "put the file first")
	}
	t.mu.Lock()
	written, got := t.written, t.sum.Sum(nil)
	t.mu.Unlock()
	switch {
	case size != t.size || written != size:
		return job.E(job.FailedPrecondition, op, fmt.Errorf("%d of %d bytes have come", written, size), "put the rest first")
	case !bytes.Equal(got, sum):
		w.drop(t)
		return job.E(job.Unavailable, op, errors.New("it did not arrive as it was sent: its SHA-256 is another"), "send it again; if that happens often, check the network and the disks")
	}
	t.end()
	if err := w.root.Rename(t.temp, filepath.FromSlash(name)); err != nil {
		w.drop(t)
		return diskTrouble(op, err)
	}
	delete(w.transfers, name)
	w.used -= w.files[name]
	w.files[name] = size
	return nil
}

// end closes the file, and takes no more pieces.
func (t *transfer) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		t.file.Close()
	}
}

// drop removes a transfer with what has come; mu is held.
func (w *Workspace) drop(t *transfer) {
	t.end()
	if err := w.root.Remove(t.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.log.Warn("unfinished file left behind", "file", t.name, "err", err)
	}
	delete(w.transfers, t.name)
	w.used -= t.size
}

// maxFiles bounds the files of a workspace, since empty ones have room in any quota, and
// maxTransfers those that come in at once, each of which holds a descriptor.
const (
	maxFiles     = 1 << 20
	maxTransfers = 2048
)

// reserve takes room for size bytes, that of inputs which are only kept, too; mu is
// held.
func (w *Workspace) reserve(name string, size int64) error {
	op := "put " + job.Shown(name)
	if size <= w.cfg.Quota {
		w.makeRoom(size)
	}
	switch {
	case len(w.files)+len(w.transfers) >= maxFiles, len(w.transfers) >= maxTransfers:
		return job.E(job.ResourceExhausted, op, fmt.Errorf("the node's workspace has %d files, and %d more are coming", len(w.files), len(w.transfers)),
			"delete those that nobody needs, or finish what has begun")
	case size > w.cfg.Quota:
		return job.E(job.Unimplemented, op, fmt.Errorf("its %d bytes are more than the node's workspace may hold, %d", size, w.cfg.Quota),
			"raise the node's --workspace-quota")
	case size > w.cfg.Quota-w.used:
		return job.E(job.ResourceExhausted, op, fmt.Errorf("the node's workspace is full: %d of %d bytes are in use", w.used, w.cfg.Quota),
			"wait until others are done, or raise the node's --workspace-quota")
	}
	w.used += size
	return nil
}

// tempName is where a file lies until it is whole: beside its place.
func tempName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return path.Join(path.Dir(name), fmt.Sprintf("%s%x.part", job.HiddenPrefix, sum[:16]))
}

// checkName reports whether name stays within the workspace and can be a file's.
func checkName(name string) error {
	ok := name != lockName && filepath.IsLocal(name) && path.Clean(name) == name && name != "." && !strings.ContainsRune(name, 0)
	for element := range strings.SplitSeq(name, "/") {
		ok = ok && len(element) <= 255
	}
	if !ok {
		return badName(name)
	}
	return nil
}

func badName(name string) error {
	return job.E(job.InvalidArgument, "file "+job.Shown(name), errors.New("it cannot be the name of a file in the workspace"),
		"use a relative path without . and .., whose last name does not begin with "+job.HiddenPrefix)
}

// diskTrouble is an error of the disk that another node may not have. Where the
// workspace lies is nobody's business.
func diskTrouble(op string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		err = l.Err
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return job.E(job.Unavailable, op, fmt.Errorf("the disk of the node's workspace is full: %w", err), "free some space there, or name another directory with --workspace")
	}
	return job.E(job.Unavailable, op, fmt.Errorf("the disk of the node's workspace gave an error: %w", err), "check the node's disk")
}

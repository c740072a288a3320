package api

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"spillway/job"
)

// The default bounds of an audit log.
const (
	auditBytes = 16 << 20
	auditKeep  = 8
)

// AuditFile is a file of lines that only the server's user may read. A full one becomes
// NAME.1, and that NAME.2, and so on; the oldest goes. All methods may be called
// concurrently.
type AuditFile struct {
	path string
	most int64 // bytes of a file
	keep int   // files beside the one that is written
	log  *slog.Logger

	mu   sync.Mutex // guards what follows
	file *os.File
	size int64
	torn bool // the last line has no end
}

// OpenAuditFile opens DIR/audit.log, or makes it and the directory. Lines that cannot be
// written go to log, with the reason. Up to nine files of 16 MiB are kept.
// Errors: PermissionDenied, Unavailable.
func OpenAuditFile(dir string, log *slog.Logger) (*AuditFile, error) {
	const ours = 0o700
	f := &AuditFile{path: filepath.Join(dir, "audit.log"), most: auditBytes, keep: auditKeep, log: log}
	err := os.MkdirAll(dir, ours)
	if err == nil {
		err = f.open()
	}
	if err != nil {
		code := job.Unavailable
		if errors.Is(err, fs.ErrPermission) {
			code = job.PermissionDenied
		}
		return nil, job.E(code, "audit log", err, "give the server a --state that it can write")
	}
	return f, nil
}

// Write adds a line. It reports no error, since there is nobody who could mend it.
func (f *AuditFile) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.add(line)
	if err != nil {
		f.log.Error("audit log cannot be written", "err", err, "line", string(line))
	}
	return len(line), nil
}

// Close closes the file.
func (f *AuditFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// add writes line; mu is held.
func (f *AuditFile) add(line []byte) error {
	if f.file != nil && f.size > 0 && f.size+int64(len(line)) > f.most {
		if err := f.turn(); err != nil {
			return err
		}
	}
	if f.file == nil { // it could not be opened before
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	if n > 0 {
		f.torn = n < len(line)
	}
	return err
}

// turn begins a new file; mu is held.
func (f *AuditFile) turn() error {
	now, err := os.Stat(f.path)
	mine, mineErr := f.file.Stat()
	_ = f.file.Close() // each line was written
	f.file = nil
	if err == nil && mineErr == nil && os.SameFile(now, mine) { // else another has turned it
		for n := f.keep - 1; n > 0; n-- {
			if err := os.Rename(f.numbered(n), f.numbered(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Rename(f.path, f.numbered(1)); err != nil {
			return err
		}
	}
	return f.open()
}

// numbered is the name of the nth file before the one that is written.
func (f *AuditFile) numbered(n int) string { return f.path + "." + strconv.Itoa(n) }

// open opens the file at its end; mu is held.
func (f *AuditFile) open() error {
	const private = 0o600
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, private)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm() != private {
		err = file.Chmod(private)
	}
	last := []byte{'\n'}
	if err == nil && info.Size() > 0 {
		_, err = file.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size, f.torn = file, info.Size(), last[0] != '\n'
	return nil
}

var _ io.WriteCloser = (*AuditFile)(nil)

package operation

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"spillway/confine"
	"spillway/job"
)

// trouble turns the errors of the file system into a job.Error that says what,
// where and what to do.
type trouble struct {
	roots confine.Roots
}

// plain is a cause in words for people that still is what it was for errors.Is.
type plain struct {
	words string
	err   error
}

func (p plain) Error() string { return p.words }
func (p plain) Unwrap() error { return p.err }

// shown is a file below base as messages name it; odd characters are escaped.
func shown(dir, name string) string {
	return job.Shown(path.Join(dir, name))
}

// open is for the folder that holds input_dir and output_dir. The server has
// opened it already, so that it is this node that cannot: another one may.
func (t trouble) open(base string, err error) *job.Error {
	op := "open " + shown(base, "")
	if e := t.common(op, err); e != nil {
		e.Code = job.Unavailable
		return e
	}
	if errors.Is(err, fs.ErrNotExist) {
		return job.E(job.Unavailable, op, plain{"there is no such folder", err}, "check the path and --root, or let the server write to output_dir, so that it can send the files")
	}
	return job.E(job.Unavailable, op, plain{"this node cannot open it: " + cause(err), err}, "check the path and --root, or let the server write to output_dir, so that it can send the files")
}

// read is for a file in input_dir that exists, or did.
func (t trouble) read(name string, err error) *job.Error {
	op := "read " + shown(job.InputDir, name)
	if e := t.common(op, err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, plain{"there is no such file any more", err}, "put it back, or submit the folder again")
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, plain{"the node may not read it", err}, "let the user that runs the node read it (chmod a+r)")
	case errors.Is(err, syscall.ENOTDIR):
		return job.E(job.FailedPrecondition, op, plain{"input_dir is not a directory", err}, "make input_dir a directory that holds the pictures")
	}
	return job.E(job.Unavailable, op, plain{"the disk gave an error: " + cause(err), err}, "check the node's disk; another node may be able to read it")
}

// write is for a file in output_dir.
func (t trouble) write(name string, err error) *job.Error {
	op := "write " + shown(job.OutputDir, name)
	if e := t.common(op, err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.E(job.Unavailable, op, plain{"the node's disk is full", err}, "free some space there; another node may have room")
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, plain{"the node may not write there", err}, "let the user that runs the node write to output_dir (chmod u+w)")
	case errors.Is(err, syscall.EROFS):
		return job.E(job.FailedPrecondition, op, plain{"the file system is read-only", err}, "mount it writable, or use another folder")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return job.E(job.FailedPrecondition, op, plain{"output_dir is not a directory", err}, "remove what has that name; the node makes the directory itself")
	}
	return job.E(job.Unavailable, op, plain{"the disk gave an error: " + cause(err), err}, "check the node's disk; another node may be able to write")
}

// commit is for giving an output its name.
func (t trouble) commit(name string, err error) *job.Error {
	op := "write " + shown(job.OutputDir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.Unavailable, op, plain{"its temporary file is gone", err}, "leave the files whose names start with .spillway- in output_dir alone while a job runs")
	case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY):
		return job.E(job.FailedPrecondition, op, plain{"a directory has that name", err}, "remove it or rename it")
	}
	return t.write(name, err)
}

// common is for what any step can meet; nil: none of these.
func (t trouble) common(op string, err error) *job.Error {
	var done *job.Error
	switch {
	case errors.As(err, &done):
		return done
	case errors.Is(err, confine.ErrOutside):
		return job.E(job.PermissionDenied, op, plain{"it leads out of the allowed folders", err},
			"keep files, and what links point to, below "+t.roots.String())
	case errors.Is(err, syscall.ENAMETOOLONG):
		return job.E(job.InvalidArgument, op, plain{"the name is too long", err}, "use a name of at most 255 bytes")
	case errors.Is(err, syscall.ELOOP):
		return job.E(job.InvalidArgument, op, plain{"its links lead in a circle", err}, "mend the link")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return job.E(job.Unavailable, op, plain{"the node has too many open files", err}, "raise the node's limit (ulimit -n)")
	}
	return nil
}

// cause is the innermost system error in words: "input/output error".
func cause(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return fmt.Sprint(err)
}

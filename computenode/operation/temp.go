package operation

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"spillway/confine"
	"spillway/job"
)

// Output is a file that a request wrote. Both names are relative to output_dir
// and one path element each.
type Output struct {
	Temp string // where it is now
	Name string // where it belongs
}

// Token makes a token of a task's job and of what tells its attempt from every
// other one.
func Token(id job.ID, attempt string) string { return string(id) + "/" + attempt }

// TempName is the temporary name, in output_dir, of the output called name of
// the attempt with the given token: always the same, different for any other
// name or token, 52 bytes long, and hidden by its leading dot. It begins with the
// [job.TempPrefix] of the token's job.
func TempName(name, token string) string {
	id, _, _ := strings.Cut(token, "/")
	sum := sha256.Sum256([]byte(token + "\x00" + name))
	return job.TempPrefix(job.ID(id)) + hex.EncodeToString(sum[:12]) + ".part"
}

// Commit gives each output its real name, replacing what has it. After an error
// none of the temporary files is left. The outputs may come from a process that
// is not trusted: names that leave output_dir are refused.
// Errors: *job.Error with PermissionDenied, NotFound, FailedPrecondition or
// Unavailable.
func Commit(roots confine.Roots, base string, outs []Output) error {
	if len(outs) == 0 {
		return nil
	}
	for _, out := range outs {
		if err := errors.Join(confine.CheckName(out.Temp), confine.CheckName(out.Name)); err != nil {
			return trouble{roots: roots}.write(out.Name, err)
		}
	}
	folder, err := roots.Open(base)
	if err != nil {
		return trouble{roots: roots}.open(base, err)
	}
	defer folder.Close()
	for at, out := range outs {
		err := folder.Rename(path.Join(job.OutputDir, out.Temp), path.Join(job.OutputDir, out.Name))
		if err == nil {
			continue
		}
		for _, rest := range outs[at:] {
			_ = folder.Remove(path.Join(job.OutputDir, rest.Temp))
		}
		return trouble{roots: roots}.commit(out.Name, err)
	}
	return nil
}

// Discard removes whatever temporary files the request with these words can
// have left, after it failed, was cancelled or died. Nothing to remove is no
// error. Errors: *job.Error, for a log.
func Discard(roots confine.Roots, base string, op job.Operation, name, token string) error {
	found, args, err := Find(op)
	if err != nil || confine.CheckName(job.FileOf(name)) != nil {
		return nil // such a request writes nothing
	}
	outs, err := outputs(found, Request{Name: name, Token: token}, args)
	if err != nil || len(outs) == 0 {
		return nil
	}
	folder, err := roots.Open(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is gone with all that was in it
	}
	if err != nil {
		return trouble{roots: roots}.open(base, err)
	}
	defer folder.Close()
	for _, out := range outs {
		err := folder.Remove(path.Join(job.OutputDir, TempName(out, token)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return trouble{roots: roots}.write(out, err)
		}
	}
	return nil
}

package split

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"spillway/confine"
	"spillway/job"
)

// twice ends the path of one who names input_dir itself.
var twice = filepath.Join(job.InputDir, job.InputDir)

// explain is for an error of looking into the folder.
func (s *Source) explain(roots confine.Roots, err error) error {
	if s.only != "" && errors.Is(err, errOther) {
		return explain(filepath.Join(s.input(), s.only), roots, s.kind, err)
	}
	return explain(s.input(), roots, s.kind, err)
}

// takesPictures tells kinds for whose inputs a hint says "pictures".
func takesPictures(k kind) bool { return k.takes(extensions[0]) }

// taken says, for hints, how the files end that are a kind's inputs.
func taken(k kind) string {
	all := slices.Concat(extensions, videoEndings, soundEndings)
	return strings.Join(slices.DeleteFunc(all, func(ext string) bool { return !k.takes(ext) }), " ")
}

// explain gives an error of opening path, for inputs of kind k, the code and hint it
// deserves.
func explain(path string, roots confine.Roots, k kind, err error) error {
	op := "open " + job.Shown(path)
	want := fmt.Sprintf("a job's folder holds %s with pictures (%s)", job.InputDir, taken(k))
	if !takesPictures(k) {
		want = fmt.Sprintf("a job's folder holds %s with files that end in %s", job.InputDir, taken(k))
	}
	switch {
	case errors.Is(err, confine.ErrOutside):
		return job.E(job.PermissionDenied, op, confine.ErrOutside,
			fmt.Sprintf("use a folder below %s, or start the server with --root", roots))
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix("/"+path, "/"+twice):
		return job.E(job.NotFound, op, errors.New("no such folder"), "name the folder that holds "+job.InputDir+", not "+job.InputDir+" itself")
	case errors.Is(err, fs.ErrNotExist) && filepath.Base(filepath.Dir(path)) == job.InputDir:
		return job.E(job.NotFound, op, errors.New("no such file"), "name a file that is there, or the folder that holds "+job.InputDir+" for all of them")
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, errors.New("no such folder"), want)
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, errors.New("permission denied"),
			"let the user that runs the server read it")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, errNoFolder):
		return job.E(job.FailedPrecondition, op, errNoFolder, want+"; one file is worked on where it lies in such an "+job.InputDir)
	case errors.Is(err, errOther), errors.Is(err, errNoMedia):
		return job.E(job.FailedPrecondition, op, err, "the operation takes files that end in "+taken(k))
	case errors.Is(err, errEmpty):
		return job.E(job.FailedPrecondition, op, err, want)
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	return job.E(job.FailedPrecondition, op, reason(err), want)
}

// reason is the cause without the path, which the step already names.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

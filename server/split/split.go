// Package split turns a job's source into tasks.
//
// A source is listed lazily, so that a directory of a million files costs no
// memory in proportion.
package split

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"spillway/confine"
	"spillway/job"
	"spillway/native/ffmpeg"
)

// extensions are the endings, in lower case, of the files that are inputs.
// Every other file in input_dir is left alone.
var extensions = job.PictureExtensions()

// batch is the number of names read from a directory at once.
const batch = 1024

// Source is the folder of one job, opened. It may be used concurrently.
type Source struct {
	folder *confine.Folder
	op     job.Operation
	kind   kind
	only   string // the one input; "": all in input_dir
}

// Open opens the folder that holds input_dir, or that of the one file in an input_dir
// that path names, and makes sure that there is something to do for the operation. The
// caller closes the source.
//
// Errors: NotFound (no folder, no input_dir), PermissionDenied (outside the
// roots, unreadable), FailedPrecondition (input_dir is no directory or holds no
// input; FFmpeg is missing).
func Open(roots confine.Roots, path string, op job.Operation) (*Source, error) {
	s := &Source{op: op, kind: kindOf(op)}
	folder, err := roots.Open(path)
	if dir, name := filepath.Split(path); errors.Is(err, syscall.ENOTDIR) && filepath.Base(dir) == job.InputDir {
		s.only = name
		folder, err = roots.Open(filepath.Dir(filepath.Clean(dir)))
	}
	if err != nil {
		return nil, explain(path, roots, s.kind, err)
	}
	s.folder = folder
	if err := s.check(); err != nil {
		folder.Close()
		return nil, s.explain(roots, err)
	}
	return s, nil
}

// Base is the absolute path of the folder.
func (s *Source) Base() string { return s.folder.Path() }

// Close frees the folder.
func (s *Source) Close() error { return s.folder.Close() }

// Inputs calls yield with the name of each task, in the order of the directory,
// which is not sorted, until it returns false: an input's, or those of its parts. It
// returns the error that ended the listing early, with ctx's own where ctx ended.
func (s *Source) Inputs(ctx context.Context, yield func(name string) bool) error {
	if g, ok := s.kind.(grouper); ok {
		return s.grouped(ctx, g, yield)
	}
	var wrong error
	made := map[string]string{} // by output; only of what is joined, which is not much
	err := s.list(ctx, func(name string) bool {
		if !isInput(s.kind, name) {
			return true
		}
		if wrong = s.claim(made, name); wrong != nil {
			return false
		}
		var parts []job.Part
		if parts, wrong = s.plan(ctx, name); wrong != nil {
			return false
		}
		if len(parts) == 0 {
			return yield(name)
		}
		for _, p := range parts {
			if !yield(p.Name()) {
				return false
			}
		}
		return true
	})
	return cmp.Or(wrong, err)
}

// claim notes the output of an input, which must be its own. Errors: FailedPrecondition.
func (s *Source) claim(made map[string]string, name string) error {
	k, ok := s.kind.(joiner)
	if !ok {
		return nil
	}
	for _, out := range k.outputs(name) {
		if other, taken := made[out]; taken {
			return job.E(job.FailedPrecondition, "list "+s.input(), fmt.Errorf("%s and %s would both become %s", job.Shown(other), job.Shown(name), job.Shown(out)),
				"rename one of them, or submit them one by one")
		}
		made[out] = name
	}
	return nil
}

// plan cuts one input into parts; none: it is one task, of which a node will tell what
// is wrong with it. Errors: FailedPrecondition (no FFmpeg), ctx's own.
func (s *Source) plan(ctx context.Context, name string) ([]job.Part, error) {
	if _, whole := s.kind.(pictures); whole {
		return nil, nil
	}
	parts, wrong := s.planFile(ctx, name)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(wrong, ffmpeg.ErrMissing):
		return nil, missing("split "+job.Shown(name), wrong)
	}
	return parts, nil // none where something is wrong with the file
}

func (s *Source) planFile(ctx context.Context, name string) ([]job.Part, error) {
	in, err := s.openInput(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return s.kind.plan(ctx, in, name, s.op)
}

// list calls yield with every name in input_dir.
func (s *Source) list(ctx context.Context, yield func(name string) bool) error {
	if s.only != "" {
		yield(s.only)
		return nil
	}
	dir, err := s.folder.Open(job.InputDir)
	if err != nil {
		return listing(s.input(), err)
	}
	defer dir.Close()
	for ctx.Err() == nil {
		names, err := dir.Readdirnames(batch)
		for _, name := range names {
			if !yield(name) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return listing(s.input(), err)
		}
	}
	return context.Cause(ctx)
}

// Count counts the inputs, whole, and what else there is and is not hidden.
func (s *Source) Count(ctx context.Context) (inputs, others int64, err error) {
	err = s.list(ctx, func(name string) bool {
		switch {
		case isInput(s.kind, name):
			inputs++
		case name[0] != '.':
			others++
		}
		return true
	})
	return inputs, others, err
}

// Why a folder cannot be a job's.
var (
	errEmpty    = errors.New("holds no picture")
	errNoMedia  = errors.New("holds no video or sound that the operation takes")
	errOther    = errors.New("is no file that the operation takes, by its name")
	errNoFolder = errors.New("is not a directory")
)

// check reports whether input_dir is a directory that holds an input.
func (s *Source) check() error {
	info, err := s.folder.Stat(job.InputDir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errNoFolder
	}
	found := false
	err = s.list(context.Background(), func(name string) bool { found = isInput(s.kind, name); return !found })
	if err != nil {
		return err
	}
	switch {
	case found:
		return nil
	case s.only != "":
		return errOther
	case takesPictures(s.kind):
		return errEmpty
	}
	return errNoMedia
}

// input is the path of input_dir, for messages.
func (s *Source) input() string { return filepath.Join(s.folder.Path(), job.InputDir) }

// listing explains an error met while input_dir is read.
func listing(path string, err error) error {
	return job.E(job.Unavailable, "list "+path, reason(err), "check the disk, then run the job again")
}

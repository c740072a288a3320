// Package split turns a job's source into tasks.
//
// A source is listed lazily, so that a directory of a million files costs no
// memory in proportion.
package split

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"spillway/confine"
	"spillway/job"
)

// extensions are the endings, in lower case, of the files that are inputs.
// Every other file in input_dir is left alone.
var extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

// batch is the number of names read from a directory at once.
const batch = 1024

// Source is the folder of one job, opened. It may be used concurrently.
type Source struct {
	folder *confine.Folder
}

// Open opens the folder that holds input_dir and makes sure that there is
// something to do. The caller closes the source.
//
// Errors: NotFound (no folder, no input_dir), PermissionDenied (outside the
// roots, unreadable), FailedPrecondition (input_dir is no directory or holds no
// picture).
func Open(roots confine.Roots, path string) (*Source, error) {
	folder, err := roots.Open(path)
	if err != nil {
		return nil, explain(path, roots, err)
	}
	s := &Source{folder: folder}
	if err := s.check(); err != nil {
		folder.Close()
		return nil, explain(s.input(), roots, err)
	}
	return s, nil
}

// Base is the absolute path of the folder.
func (s *Source) Base() string { return s.folder.Path() }

// Close frees the folder.
func (s *Source) Close() error { return s.folder.Close() }

// Inputs calls yield with each input's name, in the order of the directory,
// which is not sorted, until it returns false. It returns the error that ended
// the listing early, with ctx's own where ctx ended.
func (s *Source) Inputs(ctx context.Context, yield func(name string) bool) error {
	return s.list(ctx, func(name string) bool { return !isInput(name) || yield(name) })
}

// list calls yield with every name in input_dir.
func (s *Source) list(ctx context.Context, yield func(name string) bool) error {
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

// Count counts the inputs, and what else there is and is not hidden.
func (s *Source) Count(ctx context.Context) (inputs, others int64, err error) {
	err = s.list(ctx, func(name string) bool {
		switch {
		case isInput(name):
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
	if err := s.Inputs(context.Background(), func(string) bool { found = true; return false }); err != nil {
		return err
	}
	if !found {
		return errEmpty
	}
	return nil
}

// input is the path of input_dir, for messages.
func (s *Source) input() string { return filepath.Join(s.folder.Path(), job.InputDir) }

// isInput tells inputs from other files by name alone; hidden files are none.
func isInput(name string) bool {
	return name[0] != '.' && slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// listing explains an error met while input_dir is read.
func listing(path string, err error) error {
	return job.E(job.Unavailable, "list "+path, reason(err), "check the disk, then run the job again")
}

// twice ends the path of one who names input_dir itself.
var twice = filepath.Join(job.InputDir, job.InputDir)

// explain gives an error of opening path the code and hint it deserves.
func explain(path string, roots confine.Roots, err error) error {
	op := "open " + job.Shown(path)
	want := fmt.Sprintf("a job's folder holds %s with pictures (%s)", job.InputDir, strings.Join(extensions, " "))
	switch {
	case errors.Is(err, confine.ErrOutside):
		return job.E(job.PermissionDenied, op, confine.ErrOutside,
			fmt.Sprintf("use a folder below %s, or start the server with --root", roots))
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix("/"+path, "/"+twice):
		return job.E(job.NotFound, op, errors.New("no such folder"), "name the folder that holds "+job.InputDir+", not "+job.InputDir+" itself")
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, errors.New("no such folder"), want)
	case errors.Is(err, fs.ErrPermission):
		return job.E(job.PermissionDenied, op, errors.New("permission denied"),
			"let the user that runs the server read it")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, errNoFolder):
		return job.E(job.FailedPrecondition, op, errNoFolder, want)
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

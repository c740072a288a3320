package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"spillway/job"
)

// homeFile is in --files, and has the id by which a database knows that directory.
const homeFile = ".home"

// The folders in --files of what a database has a list of.
const workloadsDir, musicDir = "workloads", "music"

// homes is what a database knows of the directory with its workloads' and songs' files.
type homes interface {
	FilesHome(ctx context.Context) (string, error)
	BindFiles(ctx context.Context, id string, replace bool) (string, error)
}

// errElsewhere tells that the lists of the database and the files in --files are not of
// each other: what one has and the other not would be given up, and removed.
var errElsewhere = errors.New("--files and the database are not of each other")

// bindFiles has a database and a --files know each other. A shared database keeps the
// first that it knew, since the server with that may be running; another one takes what
// is new, as after the loss of a disk.
// Errors: FailedPrecondition (wrapping errElsewhere), InvalidArgument, Unavailable.
func bindFiles(ctx context.Context, kept homes, dir string, shared bool) error {
	path := filepath.Join(dir, homeFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritable(err)
	}
	id := strings.TrimSpace(string(text))
	home, err := kept.FilesHome(ctx)
	if err != nil {
		return err
	}
	if id != "" && id == home {
		return nil
	}
	if id != "" && (holds(dir, workloadsDir) || holds(dir, musicDir)) {
		return job.E(job.FailedPrecondition, "--files", errElsewhere, "its workloads and music are of another database: give it that one, or choose another directory with --files")
	}
	if id == "" {
		id = string(job.NewID())
	}
	bound, err := kept.BindFiles(ctx, id, !shared)
	if err != nil {
		return err
	}
	if bound != id {
		return job.E(job.FailedPrecondition, "--files", errElsewhere, "another server with this database has them; if that is gone for good, DELETE FROM files_home in the database")
	}
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return unwritable(err)
	}
	return nil
}

func unwritable(err error) error {
	return job.E(job.InvalidArgument, "--files", err, "name a directory that the server may write in")
}

// holds reports whether a folder in --files has anything that is not hidden.
func holds(dir, name string) bool {
	entries, _ := os.ReadDir(filepath.Join(dir, name)) // where there is none, there is nothing
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			return true
		}
	}
	return false
}

package workspace

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// Get opens a file that is whole, for reading. The caller closes it. Errors:
// InvalidArgument, NotFound, Unavailable.
func (w *Workspace) Get(name string) (*os.File, int64, error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	op := "get " + job.Shown(name)
	file, err := w.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, job.E(job.NotFound, op, errors.New("there is no such file"), "")
	case err != nil:
		return nil, 0, diskTrouble(op, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = job.E(job.InvalidArgument, op, errors.New("it is not a regular file"), "")
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// Count counts a file that was written in the workspace by others against the
// quota. Where there is no room it is removed. Errors: those of Get and Put.
func (w *Workspace) Count(name string) error {
	file, size, err := w.Get(name)
	if err != nil {
		return err
	}
	file.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= w.files[name]
	delete(w.files, name)
	if err := w.reserve(name, size); err != nil {
		return errors.Join(err, w.root.Remove(filepath.FromSlash(name)))
	}
	w.files[name] = size
	return nil
}

// Delete removes a file, or a folder with all that is in it, and ends the transfers
// there. Nothing to remove is no error. Errors: InvalidArgument, Unavailable.
func (w *Workspace) Delete(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remove(name)
}

// DeleteAll empties the workspace. Errors: Unavailable.
func (w *Workspace) DeleteAll() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.transfers {
		w.drop(t)
	}
	entries, err := w.list()
	for _, name := range entries {
		if name != lockName {
			err = errors.Join(err, w.remove(name))
		}
	}
	return err
}

// list is what lies in the workspace itself.
func (w *Workspace) list() ([]string, error) {
	dir, err := w.root.Open(".")
	if err != nil {
		return nil, diskTrouble("list the workspace", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return names, diskTrouble("list the workspace", err)
	}
	return names, nil
}

// remove deletes name with all below it; mu is held.
func (w *Workspace) remove(name string) error {
	within := func(file string) bool { return file == name || strings.HasPrefix(file, name+"/") }
	for file, t := range w.transfers {
		if within(file) {
			w.drop(t)
		}
	}
	if err := w.root.RemoveAll(filepath.FromSlash(path.Clean(name))); err != nil {
		return diskTrouble("delete "+job.Shown(name), err)
	}
	for file, size := range w.files {
		if within(file) {
			w.used -= size
			delete(w.files, file)
		}
	}
	return nil
}

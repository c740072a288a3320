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

// Move gives a file that is whole another name, replacing what has it; where the
// file was not counted yet, it is now. It stays where it is after an error. Errors:
// those of Count, but that the file stays.
func (w *Workspace) Move(from, to string) error {
	file, size, err := w.Get(from)
	if err != nil {
		return err
	}
	file.Close()
	if err := checkName(to); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, counted := w.files[from]; !counted {
		if err := w.reserve(from, size); err != nil {
			return err
		}
		w.files[from] = size
	}
	op := "put " + job.Shown(to)
	if dir := path.Dir(to); dir != "." {
		if err := w.root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			return diskTrouble(op, err)
		}
	}
	if err := w.root.Rename(filepath.FromSlash(from), filepath.FromSlash(to)); err != nil {
		return diskTrouble(op, err)
	}
	w.used -= w.files[to]
	w.files[to] = w.files[from]
	delete(w.files, from)
	return nil
}

// MakeFolder makes a folder, and those above it. Errors: InvalidArgument, Unavailable.
func (w *Workspace) MakeFolder(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := w.root.MkdirAll(filepath.FromSlash(name), 0o755); err != nil {
		return diskTrouble("make "+job.Shown(name), err)
	}
	return nil
}

// List is the files that are whole in a folder itself, in order of their names; none
// where there is no such folder. Errors: InvalidArgument, Unavailable.
func (w *Workspace) List(folder string) ([]job.FileInfo, error) {
	if err := checkName(folder); err != nil {
		return nil, err
	}
	op := "list " + job.Shown(folder)
	entries, err := fs.ReadDir(w.root.FS(), folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, diskTrouble(op, err)
	}
	var all []job.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), job.HiddenPrefix):
		case err != nil:
			return nil, diskTrouble(op, err)
		default:
			all = append(all, job.FileInfo{Name: e.Name(), Size: info.Size()})
		}
	}
	return all, nil
}

// Room is how many bytes the quota still has, with those of inputs that are only kept.
func (w *Workspace) Room() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg.Quota - w.used + w.idle()
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
	for in, k := range w.kept.of {
		w.unlist(in, k)
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

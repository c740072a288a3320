// Package confine opens folders and files only below the directories that the
// operator allowed, whatever a path, a file name or a link says.
package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrOutside is wrapped by every refusal: the path, or a link on the way, leads
// out of the allowed roots.
var ErrOutside = errors.New("leads out of the allowed roots")

// Roots are the directories below which folders may be opened. It is immutable
// and may be used concurrently.
type Roots struct {
	dirs   []string // absolute and clean, as they were spelled
	direct []string // the same without links
}

// NewRoots checks that each directory exists and makes it absolute. No
// directory at all means the working directory.
func NewRoots(dirs ...string) (Roots, error) {
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	var r Roots
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return Roots{}, err
		}
		info, err := os.Stat(abs)
		if err != nil {
			return Roots{}, err
		}
		if !info.IsDir() {
			return Roots{}, notDirectory(dir)
		}
		direct, err := filepath.EvalSymlinks(abs)
		if err != nil {
			return Roots{}, err
		}
		r.dirs, r.direct = append(r.dirs, abs), append(r.direct, direct)
	}
	return r, nil
}

// WithoutPath is an error of the system without the paths that it names, for whom they
// are no business of; any other error is as it was.
func WithoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// notDirectory is the error that the system gives for a file in a folder's place.
func notDirectory(path string) error {
	return &os.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
}

// String lists the roots.
func (r Roots) String() string { return strings.Join(r.dirs, ", ") }

// Path makes path absolute, taking a relative one from the first root. It looks
// at names only, not at the disk. Errors: ErrOutside.
func (r Roots) Path(path string) (string, error) {
	_, _, abs, err := r.locate(path)
	return abs, err
}

// locate finds the root that holds path, whichever way the root is spelled in it;
// abs spells it as the operator did.
func (r Roots) locate(path string) (root, rel, abs string, err error) {
	abs = filepath.Clean(path)
	if !filepath.IsAbs(path) {
		abs = filepath.Join(r.dirs[0], path)
	}
	for i, dir := range r.dirs {
		for _, spelled := range []string{dir, r.direct[i]} {
			rel, err = filepath.Rel(spelled, abs)
			if err == nil && filepath.IsLocal(rel) && !strings.ContainsRune(rel, 0) {
				return dir, rel, filepath.Join(dir, rel), nil
			}
		}
	}
	return "", "", "", fmt.Errorf("%.200q: %w", path, ErrOutside)
}

// Folder is an open folder below a root. Paths given to its methods are taken
// from the folder; no link leads them out of the root that holds it.
type Folder struct {
	root *os.Root
	rel  string
	path string
}

// Open opens the folder at path, which must exist. Errors: ErrOutside,
// fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR.
func (r Roots) Open(path string) (*Folder, error) {
	dir, rel, abs, err := r.locate(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: root, rel: rel, path: abs}
	info, err := f.Stat(".")
	if err == nil && !info.IsDir() {
		err = notDirectory(abs)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// Close frees the folder's handle. Files opened from it stay open.
func (f *Folder) Close() error { return f.root.Close() }

// Path is the folder's absolute path.
func (f *Folder) Path() string { return f.path }

// Open opens a file or directory for reading. It does not wait for the writer of
// a named pipe, which reads as empty where there is none.
func (f *Folder) Open(name string) (*os.File, error) {
	file, err := f.root.OpenFile(f.at(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return file, refuse(err)
}

// Create makes a new file for writing; it must not exist yet.
func (f *Folder) Create(name string) (*os.File, error) {
	file, err := f.root.OpenFile(f.at(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return file, refuse(err)
}

// Stat follows links that stay within the root.
func (f *Folder) Stat(name string) (os.FileInfo, error) {
	info, err := f.root.Stat(f.at(name))
	return info, refuse(err)
}

// MkdirAll makes a directory and those above it.
func (f *Folder) MkdirAll(name string) error { return refuse(f.root.MkdirAll(f.at(name), 0o755)) }

// Rename moves a file, replacing what has the new name.
func (f *Folder) Rename(from, to string) error { return refuse(f.root.Rename(f.at(from), f.at(to))) }

// Remove deletes a file or an empty directory.
func (f *Folder) Remove(name string) error { return refuse(f.root.Remove(f.at(name))) }

// at is name as the root sees it.
func (f *Folder) at(name string) string { return filepath.Join(f.rel, name) }

// refuse marks the error with which os.Root refuses an escape; the standard
// library has no exported value for it.
func refuse(err error) error {
	if err != nil && strings.Contains(err.Error(), "path escapes from parent") {
		return fmt.Errorf("%w: %w", err, ErrOutside)
	}
	return err
}

// CheckName reports whether name is one path element that stays where it is
// put. Errors: ErrOutside.
func CheckName(name string) error {
	if name == "" || name == "." || !filepath.IsLocal(name) || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("file name %.200q: %w", name, ErrOutside)
	}
	return nil
}

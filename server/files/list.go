package files

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"spillway/job"
)

// Entry is one file of a folder.
type Entry struct {
	Dir  string // InputDir or OutputDir
	Name string
	Size int64 // bytes
	Time time.Time
}

// Folders are the names of at most limit folders after a name, in order.
// Errors: Unavailable.
func (s *Store) Folders(after string, limit int) (names []string, err error) {
	all, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, s.trouble("list the folders", err)
	}
	for _, e := range all {
		switch {
		case !e.IsDir() || e.Name() <= after || CheckFolder(e.Name()) != nil:
		case len(names) == limit:
			return names, nil
		default:
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Entries are at most limit files of a folder after "dir/name", in order.
// Errors: InvalidArgument, NotFound, Unavailable.
func (s *Store) Entries(folder, after string, limit int) (list []Entry, err error) {
	if err := CheckFolder(folder); err != nil {
		return nil, err
	}
	if _, err := s.root.Stat(folder); err != nil {
		return nil, s.trouble("folder "+job.Shown(folder), err)
	}
	for _, dir := range []string{InputDir, OutputDir} {
		names, err := s.Names(folder, dir)
		if err != nil && job.CodeOf(err) != job.NotFound {
			return nil, err
		}
		for _, name := range names {
			if dir+"/"+name <= after {
				continue
			}
			info, err := s.root.Lstat(path.Join(folder, dir, name))
			if err != nil || !info.Mode().IsRegular() {
				continue // a job has removed it
			}
			if len(list) == limit {
				return list, nil
			}
			list = append(list, Entry{dir, name, info.Size(), info.ModTime()})
		}
	}
	return list, nil
}

// Names are those of the files of a directory, in order, apart from hidden ones. Errors: InvalidArgument,
// NotFound, Unavailable.
func (s *Store) Names(folder, dir string) ([]string, error) {
	if err := errors.Join(CheckFolder(folder), checkDir(dir)); err != nil {
		return nil, err
	}
	all, err := fs.ReadDir(s.root.FS(), path.Join(folder, dir))
	if err != nil {
		return nil, s.trouble(job.Shown(folder)+"/"+dir, err)
	}
	var names []string
	for _, e := range all {
		if e.Type().IsRegular() && checkName("file", e.Name()) == nil { // others cannot be asked for
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Get opens a file to read. Errors: InvalidArgument, NotFound, Unavailable.
func (s *Store) Get(folder, dir, name string) (*os.File, fs.FileInfo, error) {
	if err := checkPath(folder, dir, name); err != nil {
		return nil, nil, err
	}
	op, at := "file "+job.Shown(name), path.Join(folder, dir, name)
	// A link or a pipe that a job has left must not be followed or waited for.
	if info, err := s.root.Lstat(at); err != nil || !info.Mode().IsRegular() {
		return nil, nil, s.trouble(op, errors.Join(err, fs.ErrNotExist))
	}
	f, err := s.root.Open(at)
	if err != nil {
		return nil, nil, s.trouble(op, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(s.trouble(op, err), f.Close())
	}
	return f, info, nil
}

// Delete removes a file. Errors: InvalidArgument, NotFound, Unavailable.
func (s *Store) Delete(folder, dir, name string) error {
	if err := checkPath(folder, dir, name); err != nil {
		return err
	}
	op, at := "file "+job.Shown(name), path.Join(folder, dir, name)
	info, err := s.root.Lstat(at)
	if err == nil && info.IsDir() {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = s.root.Remove(at)
	}
	if err != nil {
		return s.trouble(op, err)
	}
	s.less(info.Size())
	return nil
}

// DeleteFolder removes a folder with all that is in it, whose room on the disk [Store.Run]
// gives free: a disk may take minutes for many files. Uploads to it that are not whole
// go on, and make it anew. A job that runs on it fails: [Store.Uses] tells before.
// Errors: InvalidArgument, NotFound, Unavailable.
func (s *Store) DeleteFolder(folder string) error {
	if err := CheckFolder(folder); err != nil {
		return err
	}
	// First out of sight, so that nobody sees half of it, even after a crash.
	if err := s.root.Rename(folder, path.Join(hidden, rand.Text()+goneSuffix)); err != nil {
		return s.trouble("folder "+job.Shown(folder), err)
	}
	s.recount()
	s.clearSoon()
	return nil
}

// Uses tells that a job with that source works on a folder, or on something in it.
func (s *Store) Uses(source, folder string) bool {
	at, err := s.cfg.Locate(source)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(s.Source(folder), at)
	return err == nil && filepath.IsLocal(rel)
}

// less is told of bytes that are gone.
func (s *Store) less(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = max(0, s.used-bytes)
}

// recount has the next claim count the disk.
func (s *Store) recount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted = time.Time{}
}

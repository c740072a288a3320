package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"time"

	"spillway/job"
)

// countEvery is how long a count of the disk is good: jobs write there, too.
const countEvery = 10 * time.Second

// claim takes a name and the room for its bytes, until it is released.
// Errors: AlreadyExists (it is coming already, or there and not to be replaced),
// ResourceExhausted.
func (s *Store) claim(folder, name string, size int64, overwrite bool) error {
	key, op := path.Join(folder, name), "file "+job.Shown(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.claims[key]; taken {
		return job.E(job.AlreadyExists, op, errors.New("another upload of this name is under way"), "end that one first, or choose another name")
	}
	if info, err := s.root.Lstat(path.Join(folder, InputDir, name)); err == nil && (!overwrite || info.IsDir()) {
		return job.E(job.AlreadyExists, op, errors.New("there is one of this name"), "say overwrite=true, delete it, or choose another name")
	}
	if err := s.fits(size); err != nil {
		return job.E(job.ResourceExhausted, op, err, "delete what is not needed, or ask an admin for a greater --files-quota or disk")
	}
	s.claims[key] = size
	return nil
}

// release gives a name free; kept says that its bytes are there now.
func (s *Store) release(folder, name string, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := path.Join(folder, name)
	if kept {
		s.used += s.claims[key]
	}
	delete(s.claims, key)
}

// fits reports why size bytes have no room beside all that there is and that is to
// come. It is called with the lock held.
func (s *Store) fits(size int64) error {
	var coming int64
	for _, n := range s.claims {
		coming += n
	}
	if size > math.MaxInt64/4 {
		return fmt.Errorf("%w: %d bytes", ErrFull, size)
	}
	free, err := s.cfg.Free()
	if err != nil {
		return err
	}
	// What of the coming is on the disk already is counted twice: on the safe side.
	if size+coming+s.cfg.Spare > free {
		return fmt.Errorf("%w on the disk", ErrFull)
	}
	if s.cfg.Quota <= 0 {
		return nil
	}
	if now := s.cfg.Now(); s.counted.IsZero() || now.Sub(s.counted) > countEvery {
		s.used, s.counted = s.count(), now
	}
	if s.used+coming+size > s.cfg.Quota {
		return fmt.Errorf("%w: %d bytes are used or promised, and all may have %d", ErrFull, s.used+coming, s.cfg.Quota)
	}
	return nil
}

// count is the bytes of all files that are whole. What vanishes meanwhile has none.
func (s *Store) count() (sum int64) {
	_ = fs.WalkDir(s.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // gone, or not ours to read
		case name == hidden:
			return fs.SkipDir
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

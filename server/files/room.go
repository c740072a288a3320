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

// claim is a name that is taken by what is coming, and its room.
type claim struct {
	size int64  // bytes it is to have
	part string // where in hidden its bytes lie until it is whole
	user string // whose upload it is, that may go on later; "" where it cannot
}

// claim takes a name and the room for its bytes, until it is given free.
// Errors: AlreadyExists (it is coming already, or there and not to be replaced),
// ResourceExhausted (no room, or too many uploads).
func (s *Store) claim(n New, c claim) error {
	key, op := path.Join(n.Folder, n.Name), "file "+job.Shown(n.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.claims[key]; taken {
		return job.E(job.AlreadyExists, op, errors.New("another upload of this name is under way"), "GET /files/uploads lists yours: go on with it or end it, or choose another name")
	}
	if info, err := s.root.Lstat(path.Join(n.Folder, InputDir, n.Name)); err == nil && (!n.Overwrite || info.IsDir()) {
		return job.E(job.AlreadyExists, op, errors.New("there is one of this name"), "say overwrite=true, delete it, or choose another name")
	}
	if c.user != "" && s.crowded(c.user) {
		return job.E(job.ResourceExhausted, "upload", errors.New("as many uploads are unfinished as may be"), "finish or end some; GET /files/uploads lists yours")
	}
	if err := s.fits(c.size); err != nil {
		return job.E(job.ResourceExhausted, op, err, "delete what is not needed, or ask an admin for a greater --files-quota or disk")
	}
	s.claims[key] = c
	return nil
}

// free gives a name free that is held for part; kept says that its bytes are there now.
func (s *Store) free(key, part string, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, held := s.claims[key]
	if !held || c.part != part {
		return // it was given free, and may be another's by now
	}
	if kept {
		s.used += c.size
	}
	delete(s.claims, key)
}

// crowded tells that a user, or all users together, have as many unfinished uploads as
// may be. One user can have a fourth of them. It is called with the lock held.
func (s *Store) crowded(user string) bool {
	all, own := 0, 0
	for _, c := range s.claims {
		if c.user != "" {
			all++
		}
		if c.user == user {
			own++
		}
	}
	return all >= s.cfg.Unfinished || own >= max(1, s.cfg.Unfinished/4)
}

// fits reports why size bytes have no room beside all that there is and that is to
// come. It is called with the lock held.
func (s *Store) fits(size int64) error {
	var coming, landed int64
	for _, c := range s.claims {
		coming += c.size
		if info, err := s.root.Stat(path.Join(hidden, c.part)); err == nil {
			landed += min(info.Size(), c.size)
		}
	}
	if size > math.MaxInt64/4 {
		return fmt.Errorf("%w: %d bytes", ErrFull, size)
	}
	free, err := s.cfg.Free()
	if err != nil {
		return err
	}
	if size+coming-landed+s.cfg.Spare > free {
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

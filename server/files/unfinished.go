package files

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
)

// Unfinished is an upload that may go on.
type Unfinished struct {
	ID, User     string
	Folder, Name string
	Size, Offset int64     // bytes that it is to have, and that have come
	Expires      time.Time // when it ends if no byte comes before
}

// Uploads are those of a user that may go on, or of all users where user is "", by
// folder and name. They are at most as many as may be unfinished. Errors: Unavailable.
func (s *Store) Uploads(user string) ([]Unfinished, error) {
	all, err := s.unfinished()
	if err != nil {
		return nil, s.trouble("list the uploads", err)
	}
	var list []Unfinished
	for _, info := range all {
		stat, err := s.root.Stat(path.Join(hidden, info.ID))
		if err != nil || user != "" && info.MetaData[metaUser] != user {
			continue // it has become whole, or is another's
		}
		list = append(list, Unfinished{
			ID: info.ID, User: info.MetaData[metaUser], Folder: info.MetaData[metaFolder], Name: info.MetaData[metaName],
			Size: info.Size, Offset: info.Offset, Expires: stat.ModTime().Add(s.cfg.Expire),
		})
	}
	slices.SortFunc(list, func(a, b Unfinished) int {
		return cmp.Or(strings.Compare(a.Folder, b.Folder), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

// Leave ends the uploads of a user who is no more. Errors: Unavailable.
func (s *Store) Leave(user string) error {
	all, err := s.unfinished()
	for _, info := range all {
		if info.MetaData[metaUser] == user {
			err = errors.Join(err, s.forget(info))
		}
	}
	return err
}

// unfinished are all uploads that may go on.
func (s *Store) unfinished() (all []handler.FileInfo, err error) {
	entries, err := fs.ReadDir(s.root.FS(), hidden)
	for _, e := range entries {
		if id, is := strings.CutSuffix(e.Name(), infoSuffix); is {
			if info, err := s.info(id); err == nil {
				all = append(all, info)
			}
		}
	}
	return all, err
}

// adopt takes up the uploads that were left when the store was last open, and removes
// what nobody can go on with.
func (s *Store) adopt() error {
	entries, err := fs.ReadDir(s.root.FS(), hidden)
	known := map[string]bool{"lock": true}
	type stamped struct {
		id string
		at time.Time
	}
	var dones []stamped
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), goneSuffix) {
			known[e.Name()] = true
			s.clearSoon()
		}
		if id, is := strings.CutSuffix(e.Name(), infoSuffix); is && s.takeUp(id) {
			known[id], known[e.Name()] = true, true
		}
		if id, is := strings.CutSuffix(e.Name(), doneSuffix); is {
			if stat, err := e.Info(); err == nil && uploadID.MatchString(id) {
				dones = append(dones, stamped{id, stat.ModTime()})
				known[e.Name()] = true
			}
		}
	}
	slices.SortFunc(dones, func(a, b stamped) int { return a.at.Compare(b.at) })
	for _, d := range dones {
		s.placings = append(s.placings, d.id)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			err = errors.Join(err, s.root.RemoveAll(path.Join(hidden, e.Name())))
		}
	}
	return err
}

// takeUp claims name and room for an upload that was left. One whose bytes are gone
// while its file has its place was cut off when all but its note was done.
func (s *Store) takeUp(id string) bool {
	info, err := s.info(id)
	if err == nil {
		key := path.Join(info.MetaData[metaFolder], info.MetaData[metaName])
		s.claims[key] = claim{size: info.Size, part: id, user: info.MetaData[metaUser]}
		return true
	}
	info, recorded := s.record(id, infoSuffix)
	n, fits := newOf(info.MetaData, info.Size)
	if !errors.Is(err, fs.ErrNotExist) || recorded != nil || fits != nil {
		return false
	}
	stat, err := s.root.Lstat(path.Join(n.Folder, InputDir, n.Name))
	return err == nil && stat.Mode().IsRegular() && stat.Size() == n.Size && s.placed(info) == nil
}

// Expire ends the uploads that have had no byte for too long. Errors: Unavailable.
func (s *Store) Expire() error {
	entries, err := fs.ReadDir(s.root.FS(), hidden)
	for _, e := range entries {
		id, unfinished := strings.CutSuffix(e.Name(), infoSuffix)
		id, done := strings.CutSuffix(id, doneSuffix)
		at := path.Join(hidden, e.Name())
		if unfinished {
			at = path.Join(hidden, id)
		}
		stat, gone := s.root.Stat(at)
		if !unfinished && !done || gone != nil || s.cfg.Now().Sub(stat.ModTime()) <= s.cfg.Expire {
			continue
		}
		info, bad := s.info(id)
		if bad != nil {
			info, bad = s.done(id)
		}
		if bad == nil {
			err = errors.Join(err, s.forget(info))
		}
	}
	return err
}

// expireEvery is how often Run looks.
const expireEvery = 10 * time.Minute

// Run gives what was whole when the store was last open its place, and ends what has
// expired, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	s.finishWhole(ctx)
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := s.Expire(); err != nil {
			s.cfg.Log.Warn("uploads cannot be ended that have expired", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.gone:
			s.clear(ctx)
		}
	}
}

// clearSoon has Run remove from the disk what is gone.
func (s *Store) clearSoon() {
	select {
	case s.gone <- struct{}{}:
	default:
	}
}

// clear removes from the disk what is gone, as far as it comes before ctx ends.
func (s *Store) clear(ctx context.Context) {
	entries, err := fs.ReadDir(s.root.FS(), hidden)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), goneSuffix) && ctx.Err() == nil {
			err = errors.Join(err, s.remove(ctx, path.Join(hidden, e.Name())))
		}
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("folders that were removed still lie on the disk", "err", err)
	}
}

// remove removes a directory with all that is in it, a few files at a time.
func (s *Store) remove(ctx context.Context, at string) error {
	for {
		d, err := s.root.Open(at)
		if err != nil {
			return err
		}
		some, err := d.ReadDir(256)
		if err := errors.Join(d.Close(), ctx.Err()); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return s.root.Remove(at)
		}
		for _, e := range some {
			name := path.Join(at, e.Name())
			if e.IsDir() {
				err = errors.Join(err, s.remove(ctx, name))
			} else {
				err = errors.Join(err, s.root.Remove(name))
			}
		}
		if err != nil {
			return err
		}
	}
}

// finishWhole finishes the uploads whose last byte came just before the end of the
// server: their users may take them for done, and never ask again.
func (s *Store) finishWhole(ctx context.Context) {
	all, err := s.unfinished()
	for _, info := range all {
		if info.Offset != info.Size || ctx.Err() != nil {
			continue
		}
		held, _ := s.locks.NewLock(info.ID) // it has no errors
		if held.Lock(ctx, func() {}) != nil {
			continue
		}
		err = errors.Join(err, s.Finish(ctx, info.ID, func() {}), held.Unlock())
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("uploads that are whole have no place", "err", err)
	}
}

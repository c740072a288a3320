package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"

	"spillway/job"
)

// infoSuffix ends the names of what is known of an upload.
const infoSuffix = ".info"

// The names of what is known of an upload.
const (
	metaFolder, metaName, metaSum, metaOverwrite = "folder", "filename", "sha256", "overwrite"
	metaUser                                     = "user"
)

// uploadID is how the ids of uploads look.
var uploadID = regexp.MustCompile(`^[a-z2-7]{26}$`)

// Composer is what the tus protocol's library keeps uploads in. Its locks live as long
// as the process, as the store does.
func (s *Store) Composer() *handler.StoreComposer {
	kept := filestore.New(filepath.Join(s.dir, hidden))
	kept.DirModePerm, kept.FileModePerm = 0o750, 0o640
	c := handler.NewStoreComposer()
	c.UseCore(kept)
	c.UseTerminater(kept)
	memorylocker.New().UseIn(c)
	return c
}

// Begin takes name and room for an upload of a user, of which meta says what it is:
// folder, filename, and if wanted sha256 (hex) and overwrite ("true").
// Errors: InvalidArgument, AlreadyExists, ResourceExhausted ([ErrFull], or too many).
func (s *Store) Begin(user string, size int64, meta map[string]string) (handler.FileInfoChanges, error) {
	n, err := newOf(meta, size)
	if err == nil {
		err = s.begin(n)
	}
	if err != nil {
		return handler.FileInfoChanges{}, err
	}
	all := handler.MetaData{metaFolder: n.Folder, metaName: n.Name, metaUser: user}
	for _, key := range []string{metaSum, metaOverwrite} {
		if v := meta[key]; v != "" {
			all[key] = v
		}
	}
	return handler.FileInfoChanges{ID: strings.ToLower(rand.Text()), MetaData: all}, nil
}

func (s *Store) begin(n New) error {
	s.mu.Lock()
	full := s.uploads >= s.cfg.Unfinished
	if !full {
		s.uploads++
	}
	s.mu.Unlock()
	if full {
		return job.E(job.ResourceExhausted, "upload", errors.New("as many uploads are unfinished as may be"), "finish or end some")
	}
	err := s.claim(n.Folder, n.Name, n.Size, n.Overwrite)
	if err != nil {
		s.mu.Lock()
		s.uploads--
		s.mu.Unlock()
	}
	return err
}

// newOf reads what an upload is to be. Errors: InvalidArgument.
func newOf(meta map[string]string, size int64) (New, error) {
	n := New{Folder: meta[metaFolder], Name: meta[metaName], Size: size, Overwrite: meta[metaOverwrite] == "true"}
	if err := checkPath(n.Folder, InputDir, n.Name); err != nil {
		return n, err
	}
	if text := meta[metaSum]; text != "" {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			return n, job.E(job.InvalidArgument, metaSum, errors.New("it is not 64 hexadecimal digits"), "send the file's SHA-256, or none")
		}
		n.Sum = sum
	}
	return n, nil
}

// Upload is what is known of an unfinished upload of a user; of another's, nothing.
// Errors: NotFound.
func (s *Store) Upload(user, id string) (handler.FileInfo, error) {
	info, err := s.info(id)
	if err != nil || info.MetaData[metaUser] != user {
		return info, job.E(job.NotFound, "upload "+job.Shown(clip(id)), errors.New("there is none"), "it is whole, has expired, or is another user's")
	}
	return info, nil
}

func (s *Store) info(id string) (info handler.FileInfo, err error) {
	if !uploadID.MatchString(id) {
		return info, errors.New("no id")
	}
	text, err := s.root.ReadFile(path.Join(hidden, id+infoSuffix))
	if err != nil {
		return info, err
	}
	stat, err := s.root.Stat(path.Join(hidden, id))
	if err != nil {
		return info, err
	}
	err = json.Unmarshal(text, &info)
	info.Offset = stat.Size()
	return info, err
}

// Finish gives a whole upload its place, once its sum is found right. With another sum
// it is forgotten. beat is called while the sum is computed, which takes a second or
// more for each gigabyte.
// Errors: InvalidArgument ([ErrSum]), AlreadyExists, ResourceExhausted, Unavailable.
func (s *Store) Finish(ctx context.Context, info handler.FileInfo, beat func()) error {
	n, err := newOf(info.MetaData, info.Size)
	if err != nil {
		return err
	}
	op, part := "upload "+info.ID, path.Join(hidden, info.ID)
	f, err := s.root.Open(part)
	if err != nil {
		return trouble(op, err)
	}
	sum := sha256.New()
	for err = f.Sync(); err == nil && n.Sum != nil; beat() {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(sum, f, 64<<20)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return trouble(op, err)
	}
	if n.Sum != nil && !bytes.Equal(n.Sum, sum.Sum(nil)) {
		return errors.Join(badSum(op), s.forget(info, false))
	}
	if err := s.settle(part, n); err != nil {
		return err
	}
	return s.forget(info, true)
}

// Ended gives free what an upload that its user has ended held.
func (s *Store) Ended(info handler.FileInfo) error { return s.forget(info, false) }

// forget removes what is left of an upload.
func (s *Store) forget(info handler.FileInfo, kept bool) error {
	folder, name := info.MetaData[metaFolder], info.MetaData[metaName]
	s.mu.Lock()
	if _, held := s.claims[path.Join(folder, name)]; held { // not by another call already
		s.uploads--
	}
	s.mu.Unlock()
	s.release(folder, name, kept)
	for _, name := range []string{info.ID, info.ID + infoSuffix} {
		if err := s.root.RemoveAll(path.Join(hidden, name)); err != nil {
			return trouble("upload "+info.ID, err)
		}
	}
	return nil
}

// adopt takes up the uploads that were left when the store was last open.
func (s *Store) adopt() error {
	all, err := s.unfinished()
	for _, info := range all {
		s.claims[path.Join(info.MetaData[metaFolder], info.MetaData[metaName])] = info.Size
		s.uploads++
	}
	return err
}

// unfinished are all uploads that can go on.
func (s *Store) unfinished() (all []handler.FileInfo, err error) {
	names, err := filepath.Glob(filepath.Join(s.dir, hidden, "*"+infoSuffix))
	for _, name := range names {
		if info, err := s.info(strings.TrimSuffix(filepath.Base(name), infoSuffix)); err == nil {
			all = append(all, info)
		}
	}
	return all, err
}

// Expire ends the uploads that have had no byte for too long. Errors: Unavailable.
func (s *Store) Expire() error {
	all, err := s.unfinished()
	for _, info := range all {
		stat, gone := s.root.Stat(path.Join(hidden, info.ID))
		if gone == nil && s.cfg.Now().Sub(stat.ModTime()) > s.cfg.Expire {
			err = errors.Join(err, s.forget(info, false))
		}
	}
	return err
}

// expireEvery is how often Run looks.
const expireEvery = 10 * time.Minute

// Run ends what has expired, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		_ = s.Expire() // the next time, then
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

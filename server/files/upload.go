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
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/tus/tusd/v2/pkg/handler"

	"spillway/job"
)

// The ends of the names of what is known of an upload: of one that may go on, and of one
// whose file has its place.
const infoSuffix, doneSuffix = ".info", ".done"

// The names of what is known of an upload.
const (
	metaFolder, metaName, metaSum, metaOverwrite = "folder", "filename", "sha256", "overwrite"
	metaUser                                     = "user"
)

// uploadID is how the ids of uploads look.
var uploadID = regexp.MustCompile(`^[a-z2-7]{26}$`)

// Begin takes name and room for an upload of a user, of which meta says what it is:
// folder, filename, and if wanted sha256 (hex) and overwrite ("true" or "false").
// Errors: InvalidArgument, AlreadyExists, ResourceExhausted ([ErrFull], or too many).
func (s *Store) Begin(user string, size int64, meta map[string]string) (handler.FileInfoChanges, error) {
	n, err := newOf(meta, size)
	id := strings.ToLower(rand.Text())
	if err == nil {
		err = s.claim(n, claim{size: size, part: id, user: user})
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
	return handler.FileInfoChanges{ID: id, MetaData: all}, nil
}

// newOf reads what an upload is to be. Errors: InvalidArgument.
func newOf(meta map[string]string, size int64) (New, error) {
	n := New{Folder: meta[metaFolder], Name: meta[metaName], Size: size}
	if err := checkPath(n.Folder, InputDir, n.Name); err != nil {
		return n, err
	}
	switch meta[metaOverwrite] {
	case "", "false":
	case "true":
		n.Overwrite = true
	default:
		return n, job.E(job.InvalidArgument, metaOverwrite, errors.New("it is neither true nor false"), "say true, or leave it out")
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

// Upload is what is known of an upload of a user; of another's, nothing. One whose file
// has its place is known for a while. Errors: NotFound.
func (s *Store) Upload(user, id string) (handler.FileInfo, error) {
	info, err := s.info(id)
	if err != nil {
		info, err = s.done(id)
	}
	if err != nil || info.MetaData[metaUser] != user {
		return info, job.E(job.NotFound, "upload "+job.Shown(clip(id)), errors.New("there is none"), "it has expired, or is another user's; GET /files/uploads lists yours")
	}
	return info, nil
}

// info is what is known of an upload that may go on.
func (s *Store) info(id string) (handler.FileInfo, error) {
	info, err := s.record(id, infoSuffix)
	if err != nil {
		return info, err
	}
	stat, err := s.root.Stat(path.Join(hidden, id))
	if err != nil {
		return info, err
	}
	info.Offset = stat.Size()
	return info, nil
}

// done is what is known of an upload whose file has its place.
func (s *Store) done(id string) (handler.FileInfo, error) {
	info, err := s.record(id, doneSuffix)
	info.Offset = info.Size
	return info, err
}

func (s *Store) record(id, suffix string) (info handler.FileInfo, err error) {
	if !uploadID.MatchString(id) {
		return info, fs.ErrNotExist
	}
	text, err := s.root.ReadFile(path.Join(hidden, id+suffix))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return info, err
	}
	if info.ID != id {
		return info, errors.New("it is another upload's")
	}
	return info, nil
}

// Finish gives an upload of which all bytes have come its place, once its sum is found
// right. With another sum it is forgotten. beat is called while the sum is computed,
// which takes a second or more for each gigabyte. Where the file has its place already,
// nothing is left to do. Only one call at a time may be made for an upload.
// Errors: InvalidArgument ([ErrSum]), NotFound, AlreadyExists, ResourceExhausted,
// Unavailable.
func (s *Store) Finish(ctx context.Context, id string, beat func()) error {
	op := "upload " + job.Shown(clip(id))
	if _, err := s.done(id); err == nil {
		return nil
	}
	info, err := s.info(id)
	if err != nil {
		return s.trouble(op, err)
	}
	n, err := newOf(info.MetaData, info.Size)
	if err != nil {
		return err
	}
	if info.Offset != info.Size {
		return job.E(job.FailedPrecondition, op, errors.New("bytes are missing"), "send them first")
	}
	sum, err := s.sumOf(ctx, id, n.Sum != nil, beat)
	if err != nil {
		return s.trouble(op, err)
	}
	if !bytes.Equal(n.Sum, sum) {
		return errors.Join(badSum(op), s.forget(info))
	}
	if err := s.settle(id, n); err != nil {
		return err
	}
	return s.placed(info)
}

// sumOf has the bytes of an upload on the disk for good, and, if wanted, computes their
// sum.
func (s *Store) sumOf(ctx context.Context, id string, wanted bool, beat func()) ([]byte, error) {
	f, err := s.root.Open(path.Join(hidden, id))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := f.Sync(); err != nil || !wanted {
		return nil, err
	}
	for sum := sha256.New(); ; beat() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		_, err := io.CopyN(sum, f, 64<<20)
		if errors.Is(err, io.EOF) {
			return sum.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// placed notes that the file of an upload has its place.
func (s *Store) placed(info handler.FileInfo) error {
	s.release(info, true)
	from, to := path.Join(hidden, info.ID+infoSuffix), path.Join(hidden, info.ID+doneSuffix)
	now := s.cfg.Now()
	err := s.root.Rename(from, to)
	if err == nil {
		err = s.root.Chtimes(to, now, now)
	}
	if err != nil {
		return s.trouble("upload "+info.ID, err)
	}
	s.mu.Lock()
	s.placings = append(s.placings, info.ID)
	var old string
	if len(s.placings) > donesMost {
		old, s.placings = s.placings[0], s.placings[1:]
	}
	s.mu.Unlock()
	if old != "" {
		_ = s.root.Remove(path.Join(hidden, old+doneSuffix)) // it may have been ended
	}
	return nil
}

// donesMost is of how many uploads that are whole it is known that they are.
const donesMost = 1024

// forget removes what is left of an upload.
func (s *Store) forget(info handler.FileInfo) error {
	s.release(info, false)
	for _, suffix := range []string{"", infoSuffix, doneSuffix} {
		if err := s.root.RemoveAll(path.Join(hidden, info.ID+suffix)); err != nil {
			return s.trouble("upload "+info.ID, err)
		}
	}
	return nil
}

// release gives free what an upload holds.
func (s *Store) release(info handler.FileInfo, kept bool) {
	s.free(path.Join(info.MetaData[metaFolder], info.MetaData[metaName]), info.ID, kept)
}

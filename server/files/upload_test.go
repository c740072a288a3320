package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tus/tusd/v2/pkg/handler"

	"spillway/job"
)

// meta is that of an upload to a/1.
func meta(more ...string) map[string]string {
	m := map[string]string{metaFolder: "a", metaName: "1"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// begin makes an upload of a user as the library does, and returns its id.
func begin(t *testing.T, s *Store, user string, size int64, meta map[string]string) string {
	t.Helper()
	changes, err := s.Begin(user, size, meta)
	require.NoError(t, err)
	_, err = s.Composer().Core.NewUpload(t.Context(), handler.FileInfo{ID: changes.ID, Size: size, MetaData: changes.MetaData})
	require.NoError(t, err)
	return changes.ID
}

// send adds bytes to an upload.
func send(t *testing.T, s *Store, id, body string) error {
	t.Helper()
	u, err := s.Composer().Core.GetUpload(t.Context(), id)
	require.NoError(t, err)
	_, err = u.WriteChunk(t.Context(), 0, strings.NewReader(body))
	return err
}

// reopen closes a store, and opens it as the next server would.
func reopen(t *testing.T, s *Store) *Store {
	t.Helper()
	require.NoError(t, s.lock.Close())
	s.lock = nil
	return open(t, Config{Dir: s.Dir()})
}

func left(t *testing.T, s *Store) (names []string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(s.Dir(), hidden))
	require.NoError(t, err)
	for _, e := range all {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func nothing() {}

func TestUpload_OneUserCannotHaveAllThatMayBeUnfinished(t *testing.T) {
	s := open(t, Config{Unfinished: 8})
	for i := range 2 {
		_, err := s.Begin("ada", 1, meta(metaName, fmt.Sprint(i)))
		require.NoError(t, err)
	}
	_, err := s.Begin("ada", 1, meta(metaName, "2"))
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	for i := range 6 {
		_, err := s.Begin(fmt.Sprint("user", i), 1, meta(metaName, fmt.Sprint(10+i)))
		require.NoError(t, err)
	}
	_, err = s.Begin("bob", 1, meta(metaName, "20"))
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
}

func TestUpload_WhatHasComeIsNotCountedTwiceAgainstTheDisk(t *testing.T) {
	free := int64(10)
	s := open(t, Config{Spare: 1, Free: func() (int64, error) { return free, nil }})
	id := begin(t, s, "ada", 6, meta())
	_, err := s.Begin("ada", 4, meta(metaName, "2"))
	require.ErrorIs(t, err, ErrFull)
	require.NoError(t, send(t, s, id, "123456"))
	free -= 6
	_, err = s.Begin("ada", 3, meta(metaName, "2"))
	require.NoError(t, err)
}

func TestUpload_ThatCannotBeKeptHoldsNothing(t *testing.T) {
	s := open(t, Config{Quota: 4})
	changes, err := s.Begin("ada", 4, meta())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir(), hidden, changes.ID+infoSuffix), 0o700))
	_, err = s.Composer().Core.NewUpload(t.Context(), handler.FileInfo{ID: changes.ID, Size: 4, MetaData: changes.MetaData})
	require.Error(t, err)
	require.NotContains(t, err.Error(), s.Dir())
	begin(t, s, "ada", 4, meta())
}

func TestUpload_AFullDiskIsToldAndSurvived(t *testing.T) {
	dir := t.TempDir()
	disk := tmpfs(t, dir, "64k")
	s := open(t, Config{Dir: dir, Free: func() (int64, error) { return 1 << 30, nil }})
	body := strings.Repeat("x", 100<<10)
	id := begin(t, s, "ada", int64(len(body)), meta())
	err := send(t, s, id, body)
	var told handler.Error
	require.ErrorAs(t, err, &told)
	require.Equal(t, 507, told.HTTPResponse.StatusCode)
	_, err = s.Begin("ada", 1, meta(metaName, "2"))
	require.NoError(t, err)
	info, err := s.Upload("ada", id)
	require.NoError(t, err)
	require.Positive(t, info.Offset, "what has come is kept")

	disk("1m")
	require.NoError(t, send(t, s, id, body[info.Offset:]))
	require.NoError(t, s.Finish(t.Context(), id, nothing))
	_, stat, err := s.Get("a", InputDir, "1")
	require.NoError(t, err)
	require.EqualValues(t, len(body), stat.Size())

	disk("120k")
	require.ErrorIs(t, put(t, s, New{Folder: "a", Name: "3"}, body), ErrFull)
	require.NotContains(t, strings.Join(left(t, s), " "), partSuffix)
}

func TestFinish_IsDoneOnceAndAgainWithoutHarm(t *testing.T) {
	s := open(t, Config{})
	id := begin(t, s, "ada", 4, meta())
	require.Equal(t, job.FailedPrecondition, job.CodeOf(s.Finish(t.Context(), id, nothing)), "bytes are missing")
	require.NoError(t, send(t, s, id, "body"))
	require.NoError(t, s.Finish(t.Context(), id, nothing))
	begin(t, s, "bob", 9, meta(metaOverwrite, "true"))
	require.NoError(t, s.Finish(t.Context(), id, nothing))
	_, err := s.Begin("ada", 9, meta(metaOverwrite, "true"))
	require.Equal(t, job.AlreadyExists, job.CodeOf(err), "the name is still bob's")
	info, err := s.Upload("ada", id)
	require.NoError(t, err)
	require.Equal(t, info.Size, info.Offset)
	_, err = s.Upload("bob", id)
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

// A server may be killed between any two steps of what makes an upload a file.
func TestFinish_GoesOnWhereItWasCutOff(t *testing.T) {
	for name, cut := range map[string]func(s *Store, id string) error{
		"before all":         func(*Store, string) error { return nil },
		"with the last byte": func(s *Store, id string) error { return os.MkdirAll(filepath.Join(s.Source("a"), InputDir), 0o700) },
		"linked": func(s *Store, id string) error {
			return errors.Join(os.MkdirAll(filepath.Join(s.Source("a"), InputDir), 0o700),
				os.Link(filepath.Join(s.Dir(), hidden, id), filepath.Join(s.Source("a"), InputDir, "1")))
		},
		"renamed": func(s *Store, id string) error {
			return errors.Join(os.MkdirAll(filepath.Join(s.Source("a"), InputDir), 0o700),
				os.Rename(filepath.Join(s.Dir(), hidden, id), filepath.Join(s.Source("a"), InputDir, "1")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{})
			id := begin(t, s, "ada", 4, meta())
			require.NoError(t, send(t, s, id, "body"))
			require.NoError(t, cut(s, id))
			s = reopen(t, s)
			s.finishWhole(t.Context())
			f, stat, err := s.Get("a", InputDir, "1")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.EqualValues(t, 4, stat.Size())
			require.Equal(t, []string{id + doneSuffix}, left(t, s))
			info, err := s.Upload("ada", id)
			require.NoError(t, err)
			require.EqualValues(t, 4, info.Offset)
			begin(t, s, "ada", 4, meta(metaOverwrite, "true"))
		})
	}
}

func TestOpen_RemovesWhatNobodyCanGoOnWith(t *testing.T) {
	s := open(t, Config{})
	id, torn, ended := begin(t, s, "ada", 4, meta()), begin(t, s, "ada", 4, meta(metaName, "2")), begin(t, s, "ada", 4, meta(metaName, "3"))
	at := func(name string) string { return filepath.Join(s.Dir(), hidden, name) }
	require.NoError(t, os.WriteFile(at(torn+infoSuffix), []byte(`{"ID":`), 0o600))
	require.NoError(t, os.Remove(at(ended)))
	require.NoError(t, os.WriteFile(at("x.part"), nil, 0o600))
	require.NoError(t, os.Mkdir(at("y.part"), 0o700))
	s = reopen(t, s)
	require.Equal(t, []string{id, id + infoSuffix}, left(t, s))
	_, err := s.Begin("bob", 1, meta())
	require.Equal(t, job.AlreadyExists, job.CodeOf(err))
	_, err = s.Begin("bob", 1, meta(metaName, "2"))
	require.NoError(t, err)
}

func TestUploads_AreOnesOwn(t *testing.T) {
	s := open(t, Config{})
	mine, other := begin(t, s, "ada", 4, meta()), begin(t, s, "bob", 4, meta(metaName, "2"))
	require.NoError(t, send(t, s, mine, "bo"))
	list, err := s.Uploads("ada")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.WithinRange(t, list[0].Expires, time.Now().Add(23*time.Hour), time.Now().Add(25*time.Hour))
	list[0].Expires = time.Time{}
	require.Equal(t, Unfinished{ID: mine, User: "ada", Folder: "a", Name: "1", Size: 4, Offset: 2}, list[0])
	all, err := s.Uploads("")
	require.NoError(t, err)
	require.Len(t, all, 2)

	require.NoError(t, s.Leave("ada"))
	all, err = s.Uploads("")
	require.NoError(t, err)
	require.Equal(t, other, all[0].ID)
	begin(t, s, "bob", 4, meta())
}

func TestExpire_EndsWhatIsOldAlsoThatItWasWhole(t *testing.T) {
	now := time.Now()
	s := open(t, Config{Now: func() time.Time { return now }})
	begin(t, s, "ada", 4, meta())
	whole := begin(t, s, "ada", 0, meta(metaName, "2"))
	require.NoError(t, s.Finish(t.Context(), whole, nothing))
	require.NoError(t, s.Expire())
	require.Len(t, left(t, s), 3)
	now = now.Add(25 * time.Hour)
	require.NoError(t, s.Expire())
	require.Empty(t, left(t, s))
	begin(t, s, "ada", 4, meta())
}

func TestDeleteFolder_IsOutOfSightAtOnceAndLeavesNothing(t *testing.T) {
	s := open(t, Config{})
	require.NoError(t, os.MkdirAll(filepath.Join(s.Source("a"), InputDir, "deep", "er"), 0o700))
	for i := range 600 {
		require.NoError(t, os.WriteFile(filepath.Join(s.Source("a"), InputDir, fmt.Sprint(i)), nil, 0o600))
	}
	require.NoError(t, s.DeleteFolder("a"))
	_, err := s.Names("a", InputDir)
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.Len(t, left(t, s), 1)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	s.clear(stopped)
	require.Len(t, left(t, s), 1)

	s = reopen(t, s)
	whole := begin(t, s, "ada", 0, meta()) // as if its last byte had come
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	require.Eventually(t, func() bool {
		all, err := os.ReadDir(filepath.Join(s.Dir(), hidden))
		_, none := s.done(whole)
		return err == nil && len(all) == 2 && none == nil // the lock, and the note of the upload
	}, time.Minute, time.Millisecond)
	stop()
	require.NoError(t, <-ran)
}

func TestUses_TellsTheFoldersOfJobs(t *testing.T) {
	s := open(t, Config{})
	require.True(t, s.Uses(s.Source("cats"), "cats"))
	require.True(t, s.Uses(s.Source("cats")+"/./x/..//", "cats"))
	require.True(t, s.Uses(s.Source("cats")+"/input_dir", "cats"))
	require.False(t, s.Uses(s.Source("cats2"), "cats"))
	require.False(t, s.Uses(s.Dir(), "cats"))
}

func TestOpen_SaysWhyADirectoryCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, "/proc/files"} {
		_, err := Open(Config{Dir: dir})
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), dir)
		require.Contains(t, job.HintOf(err), "may write")
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, hidden, "lock"), 0o700))
	_, err := Open(Config{Dir: dir})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err), "no other server has it")
	_, err = os.Stat(filepath.Join(dir, hidden))
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

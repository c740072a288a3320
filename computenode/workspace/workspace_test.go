package workspace

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
)

// open makes a workspace with so much room in a directory of its own.
func open(t *testing.T, quota int64) *Workspace {
	t.Helper()
	w, err := Open(Config{Dir: t.TempDir(), Quota: quota}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

// put puts a whole file.
func put(t *testing.T, w *Workspace, name string, data []byte) {
	t.Helper()
	require.NoError(t, w.Put(name, int64(len(data)), 0, data))
	require.NoError(t, w.Commit(name, int64(len(data)), sum(data)))
}

// got is what a file holds.
func got(t *testing.T, w *Workspace, name string) string {
	t.Helper()
	file, size, err := w.Get(name)
	require.NoError(t, err)
	defer file.Close()
	data, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Len(t, data, int(size))
	return string(data)
}

// lying are the files in the workspace, but for its lock.
func lying(t *testing.T, w *Workspace) (names []string) {
	t.Helper()
	require.NoError(t, filepath.Walk(w.Path(), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Name() != lockName {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func TestWorkspace_FilesGoInAndOutWhole(t *testing.T) {
	w := open(t, 1000)
	for _, name := range []string{"a", "folder/b.png", "x/ünï %\n \\写", "empty"} {
		data := []byte("content of " + name)
		if name == "empty" {
			data = nil
		}
		put(t, w, name, data)
		require.Equal(t, string(data), got(t, w, name))
	}
	put(t, w, "a", []byte("again"))
	require.Equal(t, "again", got(t, w, "a"))
	require.NoError(t, w.Delete("folder"))
	require.NoError(t, w.Delete("folder"), "nothing to delete is no error")
	_, _, err := w.Get("folder/b.png")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.NoError(t, w.DeleteAll())
	require.Empty(t, lying(t, w))
	require.Zero(t, w.Used())
	put(t, w, "a", []byte("and goes on"))
}

func TestWorkspace_ATransferGoesOnWhereItBroke(t *testing.T) {
	w := open(t, 100)
	data := []byte("0123456789")
	require.NoError(t, w.Put("f", 10, 0, data[:4]))
	require.NoError(t, w.Put("f", 10, 2, data[2:6]), "a piece may come again")
	require.Equal(t, int64(6), w.Offset("f"))
	require.Equal(t, int64(6), w.OffsetOf("f", 10))
	require.Zero(t, w.OffsetOf("f", 11), "another file")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(w.Put("f", 10, 8, data[8:])), "a gap is refused")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(w.Commit("f", 10, sum(data))), "it is not whole")
	_, _, err := w.Get("f")
	require.Equal(t, job.NotFound, job.CodeOf(err), "nor can it be seen")
	require.NoError(t, w.Put("f", 10, 6, data[6:]))
	require.NoError(t, w.Commit("f", 10, sum(data)))
	require.Equal(t, string(data), got(t, w, "f"))

	require.NoError(t, w.Put("f", 9, 0, data[:4]), "another size begins anew")
	require.NoError(t, w.Put("f", 8, 0, data[:4]))
	require.NoError(t, w.Put("f", 8, 4, data[4:8]))
	require.NoError(t, w.Commit("f", 8, sum(data[:8])))
	require.Equal(t, "01234567", got(t, w, "f"))
	require.Equal(t, int64(8), w.Used())
}

func TestWorkspace_WhatArrivesOtherwiseIsRefusedAndGone(t *testing.T) {
	w := open(t, 100)
	require.NoError(t, w.Put("f", 3, 0, []byte("abc")))
	err := w.Commit("f", 3, sum([]byte("abd")))
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorContains(t, err, "SHA-256")
	require.Empty(t, lying(t, w))
	require.Zero(t, w.Used())
	require.Equal(t, job.InvalidArgument, job.CodeOf(w.Put("f", 3, 2, []byte("bc"))))
	require.Equal(t, job.InvalidArgument, job.CodeOf(w.Put("f", -1, 0, nil)))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(w.Put("f", 3, 1, []byte("b"))))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(w.Commit("g", 0, sum(nil))))
}

func TestWorkspace_HostileNamesAreRefused(t *testing.T) {
	w := open(t, 100)
	long := make([]byte, 256)
	for i := range long {
		long[i] = 'x'
	}
	for _, name := range []string{"", ".", "..", "../x", "/etc/passwd", "a/../../x", "a//b", "a/", "./a", "a\x00b", lockName, ".spillway-1.part", "a/.spillway-x", string(long)} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(w.Put(name, 1, 0, []byte("x"))), "%q", name)
	}
	for _, name := range []string{"", ".", "..", "../x", "/", lockName} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(w.Delete(name)), "%q", name)
		_, _, err := w.Get(name)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%q", name)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(w.Path(), "link")))
	require.NoError(t, os.Symlink(filepath.Dir(secret), filepath.Join(w.Path(), "folder")))
	_, _, err := w.Get("link")
	require.Error(t, err, "a link that an operation left leads nowhere")
	_, _, err = w.Get("folder/secret")
	require.Error(t, err)
	require.Error(t, w.Put("folder/x", 1, 0, []byte("x")))
	require.NoError(t, w.Delete("folder"))
	require.FileExists(t, secret)
	require.NoError(t, unix.Mkfifo(filepath.Join(w.Path(), "pipe"), 0o600))
	_, _, err = w.Get("pipe")
	require.Equal(t, job.InvalidArgument, job.CodeOf(err), "and nobody waits for its writer")
}

func TestWorkspace_QuotaHoldsForTransfersTogether(t *testing.T) {
	w := open(t, 1000)
	var wg sync.WaitGroup
	var taken, refused atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			switch err := w.Put(fmt.Sprintf("f%d", i), 100, 0, []byte("x")); job.CodeOf(err) {
			case job.ResourceExhausted:
				refused.Add(1)
			default:
				require.NoError(t, err)
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(10), taken.Load(), "reserved before any byte is taken")
	require.Equal(t, int64(40), refused.Load())
	require.Equal(t, int64(1000), w.Used())
	err := w.Put("more", 1, 0, []byte("x"))
	require.ErrorContains(t, err, "the node's workspace is full: 1000 of 1000 bytes are in use")
	require.Contains(t, job.HintOf(err), "--workspace-quota")
	require.Equal(t, job.Unimplemented, job.CodeOf(w.Put("giant", 1001, 0, nil)), "it would never fit")
	require.NoError(t, w.DeleteAll())
	require.Zero(t, w.Used())
}

func TestWorkspace_FilesOfOthersAreCounted(t *testing.T) {
	w := open(t, 10)
	put(t, w, "in", []byte("12345"))
	for name, size := range map[string]int{"small": 5, "large": 6} {
		require.NoError(t, os.WriteFile(filepath.Join(w.Path(), name), make([]byte, size), 0o600))
	}
	require.NoError(t, w.Count("small"))
	require.NoError(t, w.Count("small"), "once")
	require.Equal(t, int64(10), w.Used())
	require.Equal(t, job.ResourceExhausted, job.CodeOf(w.Count("large")))
	require.NoFileExists(t, filepath.Join(w.Path(), "large"))
	require.NoError(t, w.Delete("small"))
	require.Equal(t, int64(5), w.Used())
}

func TestWorkspace_AFileThatMovesIsCountedOnce(t *testing.T) {
	w := open(t, 10)
	put(t, w, "in/a", []byte("1234"))
	put(t, w, "to/b", []byte("56"))
	require.NoError(t, w.Move("in/a", "to/b"))
	require.Equal(t, "1234", got(t, w, "to/b"))
	require.Equal(t, int64(4), w.Used())
	require.Equal(t, int64(6), w.Room())
	require.NoError(t, w.MakeFolder("made"))
	require.NoError(t, os.WriteFile(filepath.Join(w.Path(), "made", "c"), make([]byte, 6), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(w.Path(), "made", "d"), make([]byte, 1), 0o600))
	require.NoError(t, w.Move("made/c", "to/c"))
	require.Equal(t, job.ResourceExhausted, job.CodeOf(w.Move("made/d", "to/d")), "there is no room")
	all, err := w.List("to")
	require.NoError(t, err)
	require.Equal(t, []job.FileInfo{{Name: "b", Size: 4}, {Name: "c", Size: 6}}, all)
	require.Equal(t, job.NotFound, job.CodeOf(w.Move("gone", "to/e")))
	for _, name := range []string{"../x", "", "/x"} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(w.Move("to/b", name)))
		require.Equal(t, job.InvalidArgument, job.CodeOf(w.MakeFolder(name)))
		_, err := w.List(name)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
	none, err := w.List("nowhere")
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, w.Delete("to"))
	require.Zero(t, w.Used())
}

func TestWorkspace_TransfersThatNobodyFinishesAreEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := Open(Config{Dir: t.TempDir(), Idle: time.Minute}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		require.NoError(t, w.Put("left", 10, 0, []byte("x")))
		put(t, w, "whole", []byte("y"))
		for range 20 {
			require.NoError(t, w.Put("slow", 100, w.Offset("slow"), []byte("x")))
			time.Sleep(10 * time.Second)
		}
		require.Zero(t, w.Offset("left"))
		require.Equal(t, int64(20), w.Offset("slow"), "one that goes on stays")
		require.Equal(t, int64(101), w.Used())
		require.Equal(t, "y", got(t, w, "whole"))
		cancel()
		wg.Wait()
		require.NoError(t, w.Close())
	})
}

func TestOpen_RemovesWhatProcessesThatDiedHaveLeft(t *testing.T) {
	dir := t.TempDir()
	quiet := slog.New(slog.DiscardHandler)
	first, err := Open(Config{Dir: dir}, quiet)
	require.NoError(t, err)
	put(t, first, "a", []byte("a"))
	died := filepath.Join(dir, prefix+"died")
	require.NoError(t, os.MkdirAll(filepath.Join(died, "folder"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(died, lockName), nil, 0o600))
	early := filepath.Join(dir, prefix+"early")
	require.NoError(t, os.Mkdir(early, 0o700))
	old := filepath.Join(dir, prefix+"old")
	require.NoError(t, os.Mkdir(old, 0o700))
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)))
	other := filepath.Join(dir, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	target := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(target, lockName), nil, 0o600))
	require.NoError(t, os.Symlink(target, filepath.Join(dir, prefix+"link")))

	second, err := Open(Config{Dir: dir}, quiet)
	require.NoError(t, err)
	require.NoDirExists(t, died)
	require.NoDirExists(t, old)
	require.DirExists(t, early, "its process may be about to lock it")
	require.DirExists(t, other)
	require.FileExists(t, filepath.Join(target, lockName), "a link is not followed")
	require.Equal(t, "a", got(t, first, "a"), "a node that lives keeps its files")
	require.NoError(t, second.Close())
	require.NoError(t, first.Close())
	require.NoDirExists(t, first.Path())

	third, err := Open(Config{Dir: filepath.Join(dir, "new", "one")}, quiet)
	require.NoError(t, err, "a directory that is not there is made")
	require.NoError(t, third.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, err = Open(Config{Dir: filepath.Join(dir, "file")}, quiet)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.Contains(t, job.HintOf(err), "--workspace")
}

func TestWorkspace_FullDiskIsTold(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	w, err := Open(Config{Dir: disk}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	err = w.Put("f", 1<<20, 0, make([]byte, 128<<10))
	require.Equal(t, job.Unavailable, job.CodeOf(err), "another node may have room")
	require.ErrorContains(t, err, "disk of the node's workspace is full")
	require.Contains(t, job.HintOf(err), "--workspace")
	require.Empty(t, lying(t, w), "what came makes room")
	require.Zero(t, w.Used())
	put(t, w, "small", []byte("x"))
	require.NoError(t, w.Close())
}

func TestWorkspace_ErrorsDoNotTellWhereItLies(t *testing.T) {
	w := open(t, 0)
	put(t, w, "a/b", []byte("x"))
	errs := []error{
		w.Put("a/b/c", 1, 0, []byte("x")),
		w.Move("a/b", "a/b/c"),
		diskTrouble("put a", &fs.PathError{Op: "write", Path: w.Path(), Err: unix.ENOSPC}),
	}
	for _, err := range errs {
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.NotContains(t, err.Error(), w.Path())
		require.NotContains(t, err.Error(), job.HiddenPrefix)
	}
	require.ErrorContains(t, errs[2], "put a: the disk of the node's workspace is full: no space left on device")
}

func TestWorkspace_ManyFilesAtOnceAreBounded(t *testing.T) {
	w := open(t, 0)
	for i := range maxTransfers {
		require.NoError(t, w.Put(strconv.Itoa(i), 2, 0, []byte("x")))
	}
	err := w.Put("more", 2, 0, []byte("x"))
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	require.NoError(t, w.Put("7", 2, 1, []byte("x")), "those that go on do")
	require.NoError(t, w.Delete("8"))
	require.NoError(t, w.Put("more", 2, 0, []byte("x")))
}

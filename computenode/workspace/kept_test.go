package workspace

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// clip is an input of a job.
func clip(id job.ID) Input { return Input{Job: id, File: "clip.avi", Size: 10, Modified: 1} }

// bring is a fetch of size bytes, which counts how often it was done.
func bring(w *Workspace, size int, done *int) func(string) error {
	return func(name string) error {
		*done++
		data := []byte(strings.Repeat("x", size))
		sum := sha256.Sum256(data)
		if err := w.Put(name, int64(size), 0, data); err != nil {
			return err
		}
		return w.Commit(name, int64(size), sum[:])
	}
}

// idle is what a task does that waits.
func idle() {}

// share shares an input under a name of its own.
func share(t *testing.T, w *Workspace, in Input, size int, done *int) (release func()) {
	t.Helper()
	name := "task-" + string(in.Job) + strconv.Itoa(len(in.File)) + "/in/" + in.File
	require.NoError(t, w.Delete(name))
	release, err := w.Share(t.Context(), in, name, bring(w, size, done), idle)
	require.NoError(t, err)
	file, got, err := w.Get(name)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, int64(size), got)
	return release
}

func TestShare_OneFetchesWhileOthersWait(t *testing.T) {
	w := open(t, 0)
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		var signs atomic.Int64
		fetch := func(name string) error {
			time.Sleep(time.Minute - time.Second)
			return bring(w, 10, &fetched)(name)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				release, err := w.Share(t.Context(), clip("j"), "task/"+strconv.Itoa(i), fetch, func() { signs.Add(1) })
				require.NoError(t, err)
				release()
				release() // twice is once
			})
		}
		impatient, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		synctest.Wait()
		_, err := w.Share(impatient, clip("j"), "task/late", fetch, idle)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		wg.Wait()
		require.Equal(t, 1, fetched)
		require.Equal(t, int64(10), w.Used(), "eight names, one file")
		require.Equal(t, int64(7*5), signs.Load(), "who waits gives signs of life")
	})
}

func TestShare_AnotherFileIsFetched(t *testing.T) {
	w := open(t, 0)
	fetched := 0
	share(t, w, clip("j"), 10, &fetched)()
	for _, other := range []Input{
		{Job: "k", File: "clip.avi", Size: 10, Modified: 1},
		{Job: "j", File: "song.avi", Size: 10, Modified: 1},
		{Job: "j", File: "clip.avi", Size: 11, Modified: 1},
		{Job: "j", File: "clip.avi", Size: 10, Modified: 2},
	} {
		before := fetched
		share(t, w, other, int(other.Size), &fetched)()
		require.Equal(t, before+1, fetched, "%+v", other)
	}
	share(t, w, clip("j"), 10, &fetched)()
	require.Equal(t, 5, fetched)
}

func TestShare_WhenAFetchFailsTheNextTriesItsOwn(t *testing.T) {
	w := open(t, 0)
	synctest.Test(t, func(t *testing.T) {
		lost, fetched := errors.New("the attempt was given up"), 0
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := w.Share(t.Context(), clip("j"), "first", func(name string) error {
				require.NoError(t, w.Put(name, 10, 0, []byte("half")))
				time.Sleep(time.Second)
				return lost
			}, idle)
			require.ErrorIs(t, err, lost)
		})
		synctest.Wait()
		release, err := w.Share(t.Context(), clip("j"), "second", bring(w, 10, &fetched), idle)
		require.NoError(t, err)
		release()
		wg.Wait()
		require.Equal(t, 1, fetched)
		require.Equal(t, int64(10), w.Used())
		require.Panics(t, func() { _, _ = w.Share(t.Context(), clip("k"), "third", func(string) error { panic("fault") }, idle) })
		share(t, w, clip("k"), 10, &fetched)()
	})
}

func TestShare_WhatIsOnlyKeptMakesRoom(t *testing.T) {
	w := open(t, 100)
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		hold := share(t, w, Input{Job: "j", File: "held"}, 30, &fetched)
		for _, file := range []string{"a", "b", "a"} { // a is used last
			time.Sleep(time.Second)
			share(t, w, Input{Job: "j", File: file}, 30, &fetched)()
		}
		require.Equal(t, 3, fetched)
		require.Equal(t, int64(70), w.Room(), "what is only kept is room")
		require.NoError(t, w.Put("out", 30, 0, nil))
		share(t, w, Input{Job: "j", File: "a"}, 30, &fetched)()
		require.Equal(t, 3, fetched, "b went, which was used less recently")
		require.NoError(t, w.Put("more", 40, 0, nil))
		require.Equal(t, int64(100), w.Used())
		err := w.Put("too much", 1, 0, nil)
		require.Equal(t, job.ResourceExhausted, job.CodeOf(err), "one in use stays")
		require.NoError(t, w.Delete("out"))
		require.NoError(t, w.Delete("more"))
		hold()
		err = w.Put("huge", 101, 0, nil)
		require.Equal(t, job.Unimplemented, job.CodeOf(err))
		require.Equal(t, int64(30), w.Used(), "what can never fit drives nothing out")
		require.Equal(t, int64(30), w.Shed())
	})
}

func TestShare_NothingStaysForLong(t *testing.T) {
	w := open(t, 0)
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		share(t, w, clip("j"), 10, &fetched)()
		time.Sleep(DefaultKeep - time.Second)
		share(t, w, clip("j"), 10, &fetched)()
		time.Sleep(DefaultKeep - time.Second)
		require.Equal(t, int64(10), w.Used(), "it counts from the last use")
		time.Sleep(DefaultKeep)
		require.Zero(t, w.Used())
		stop()
		wg.Wait()
	})
}

func TestShare_OfAJobThatEndedNothingIsKept(t *testing.T) {
	w := open(t, 0)
	fetched := 0
	share(t, w, clip("j"), 10, &fetched)()
	share(t, w, clip("k"), 10, &fetched)()
	busy := share(t, w, Input{Job: "j", File: "other"}, 5, &fetched)
	w.Forget("j")
	require.Equal(t, int64(15), w.Used())
	busy()
	require.Equal(t, int64(10), w.Used())
	entries, err := os.ReadDir(filepath.Join(w.Path(), keptFolder))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.NoError(t, w.DeleteAll())
	require.Zero(t, w.Used())
	share(t, w, clip("k"), 10, &fetched)()
	require.Equal(t, 4, fetched)
}

func TestShare_WithoutHardLinksEveryTaskFetches(t *testing.T) {
	w := open(t, 0)
	w.kept.noLinks = true
	fetched := 0
	share(t, w, clip("j"), 10, &fetched)()
	share(t, w, clip("j"), 10, &fetched)()
	require.Equal(t, 2, fetched)
	_, err := w.Share(t.Context(), clip("j"), "../out", bring(w, 10, &fetched), idle)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

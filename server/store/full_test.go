package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestSQLite_AFullDiskIsToldAndSurvived(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Config{NoteDelay: time.Millisecond})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const tasks = 4000
	_, _, err = s.Submit(t.Context(), Submission{
		Spec: job.Spec{ID: "a", Source: "data"}, Owner: "me", Lease: time.Hour, Created: time.Now(), Inputs: names(tasks),
	})
	require.NoError(t, err)
	var pages int
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	limitPages(t, s, pages+4)

	refused := finishAll(t, s, tasks)
	require.NotEmpty(t, refused)
	for _, err := range refused {
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.Contains(t, job.HintOf(err), "free space")
	}
	s.Note(Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Rejected: 1}})
	for i := range int64(500) {
		s.Note(Interim{Job: "a", Epoch: 1, Index: i, Attempt: job.Attempt{Number: 1, Err: job.E(job.Internal, strings.Repeat("x", 1000), context.Canceled, "")}})
	}
	_, _, err = s.Submit(t.Context(), Submission{Spec: job.Spec{ID: "b", Source: "data"}, Created: time.Now(), Inputs: names(100_000)})
	require.Equal(t, job.Unavailable, job.CodeOf(err))

	j, err := s.Job(t.Context(), "a")
	require.NoError(t, err, "reading goes on")
	require.EqualValues(t, tasks-len(refused), j.Done)

	limitPages(t, s, 1<<30)
	for i := range refused {
		require.NoError(t, s.Finish(t.Context(), Outcome{Job: "a", Epoch: 1, Index: i, State: job.TaskDone}))
	}
	require.NoError(t, s.End(t.Context(), Ending{Job: "a", Epoch: 1, State: job.Succeeded, At: time.Now()}))
	j, err = s.Job(t.Context(), "a")
	require.NoError(t, err)
	require.EqualValues(t, tasks, j.Done)
	require.Contains(t, j.Nodes, job.Tally{Node: "node_0", Rejected: 1}, "notes waited for space")
	_, err = s.Job(t.Context(), "b")
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func TestSQLite_ADiskThatFillsUpIsToldAndSurvived(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system needs root's rights: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
	s, err := OpenSQLite(t.Context(), dir, Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const tasks = 12_000
	_, _, err = s.Submit(t.Context(), Submission{
		Spec: job.Spec{ID: "a", Source: "data"}, Owner: "me", Lease: time.Hour, Created: time.Now(), Inputs: names(tasks),
	})
	if err != nil { // the names alone fill it
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=2m"))
		_, _, err = s.Submit(t.Context(), Submission{
			Spec: job.Spec{ID: "a", Source: "data"}, Owner: "me", Lease: time.Hour, Created: time.Now(), Inputs: names(tasks),
		})
		require.NoError(t, err)
	}
	refused := finishAll(t, s, tasks)
	require.NotEmpty(t, refused)
	for _, err := range refused {
		require.Equal(t, job.Unavailable, job.CodeOf(err))
	}
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	for i, err := range finishAll(t, s, tasks) {
		require.ErrorIs(t, err, ErrStale)
		require.NotContains(t, refused, i, "what was refused was not kept")
	}
	j, err := s.Job(t.Context(), "a")
	require.NoError(t, err)
	require.EqualValues(t, tasks, j.Done)
}

func TestSQLite_ACommitIsOnTheDisk(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var synchronous, mode string
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous))
	require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode))
	require.Equal(t, "2", synchronous, "full: the log is synced before a commit returns")
	require.Equal(t, "wal", mode)
}

// limitPages has the database be full at so many pages.
func limitPages(t *testing.T, s *SQL, n int) {
	_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
	require.NoError(t, err)
}

// finishAll tells the ends of all tasks, and gives the refusals by index.
func finishAll(t *testing.T, s *SQL, tasks int64) map[int64]error {
	refused := map[int64]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range tasks {
		all.Go(func() {
			o := Outcome{Job: "a", Epoch: 1, Index: i, State: job.TaskDone, Last: job.Attempt{Number: 1, Node: job.NodeID(strings.Repeat("n", 300))}}
			if err := s.Finish(t.Context(), o); err != nil {
				mu.Lock()
				defer mu.Unlock()
				refused[i] = err
			}
		})
	}
	all.Wait()
	return refused
}

func names(n int) func(context.Context, func(string) bool) error {
	return func(_ context.Context, yield func(string) bool) error {
		for i := range n {
			if !yield(fmt.Sprintf("image_%07d.jpg", i)) {
				break
			}
		}
		return nil
	}
}

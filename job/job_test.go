package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestID_CheckAllowsOnlyWhatIsSafeInAPath(t *testing.T) {
	for _, good := range []job.ID{"a", "A-9_b.c", "a..b", job.ID(strings.Repeat("x", 64)), job.NewID()} {
		require.NoError(t, good.Check(), good)
	}
	bad := []job.ID{
		"", ".", "..", ".hidden", "a/b", `a\b`, "a b", "a\x00", "a\n", "é", "\xff", "a:b", "*",
		job.ID(strings.Repeat("x", 65)), job.ID(strings.Repeat("x", 1<<20)),
	}
	for _, id := range bad {
		err := id.Check()
		require.Error(t, err, "%.80q", string(id))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
		require.Less(t, len(job.Describe(err)), 500, "it does not repeat a giant id")
	}
}

func TestNewID_IsNeverTheSame(t *testing.T) {
	seen := map[job.ID]bool{}
	for range 10_000 {
		id := job.NewID()
		require.Len(t, string(id), 16)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestState_OnlyTheLastThreeAreFinal(t *testing.T) {
	for _, s := range []job.State{job.Succeeded, job.Failed, job.Cancelled} {
		require.True(t, s.Final(), s)
	}
	for _, s := range []job.State{job.Queued, job.Running, ""} {
		require.False(t, s.Final(), s)
	}
}

func TestJob_CountsAndTimes(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j := job.Job{State: job.Running, Created: start, Done: 5, Failed: 2, Quarantined: 1, Running: 9}
	require.Equal(t, int64(8), j.Ended())
	require.Equal(t, time.Minute, j.Elapsed(start.Add(time.Minute)))
	j.State, j.Finished = job.Failed, start.Add(time.Second)
	require.Equal(t, time.Second, j.Elapsed(start.Add(time.Hour)), "time stands still at the end")
}

func TestTally_MeanOfNothingIsZero(t *testing.T) {
	require.Zero(t, job.Tally{Rejected: 3}.Mean())
	require.Equal(t, 20*time.Millisecond, job.Tally{Done: 3, Busy: 60 * time.Millisecond}.Mean())
}

package scheduler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// What takes seconds is not begun over and over, where two idle nodes are all there is.
func TestScheduler_SongsAndVideosGetFewCopies(t *testing.T) {
	rows := []struct {
		op    string
		takes time.Duration
		most  int // attempts
	}{
		{job.Stems, 2 * time.Second, 1},
		{job.Karaoke, 2 * time.Second, 1},
		{job.CreateVideo, 2 * time.Second, 1},
		{job.ExtractFrames, 2 * time.Second, 1},
		{job.VideoPrefix + "edges", 2 * time.Second, 1},
		{job.Stems, 15 * time.Second, 2},
		{job.Stems, time.Minute, 3},
		{job.Stems, 5 * time.Minute, 5},
	}
	for _, row := range rows {
		t.Run(row.op+" "+row.takes.String(), func(t *testing.T) {
			does := func(ctx context.Context, t job.Task) (job.Result, error) {
				d := time.Millisecond
				if t.Operation.Name == row.op {
					d = row.takes
				}
				res, err := takes(d)(ctx, t)
				res.Run, res.Load = d, job.Load{Slots: 2}
				return res, err
			}
			inBubble(t, Config{Policy: "pull"}, []node{does, does}, func(t *testing.T, r *rig) {
				r.slotted(2)
				require.Equal(t, job.Succeeded, r.run(40, job.Spec{}).State, "so that the nodes are known")
				before := len(r.fleet.sent())
				j := r.run(1, job.Spec{Operation: job.Operation{Name: row.op}})
				require.Equal(t, job.Succeeded, j.State)
				require.LessOrEqual(t, len(r.fleet.sent())-before, row.most)
			})
		})
	}
}

// A node that is stuck holds a song up no longer than until its copy is done elsewhere.
func TestScheduler_SongOnAStuckNodeIsDoneElsewhere(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, []node{hangs, hangs, takes(time.Second)}, func(t *testing.T, r *rig) {
		r.slotted(1)
		for range 3 {
			begun := time.Now()
			j := r.run(1, job.Spec{Operation: job.Operation{Name: job.Stems}})
			require.Equal(t, job.Succeeded, j.State)
			require.Less(t, time.Since(begun), 30*time.Second)
		}
	})
}

// Once the first attempt has failed, its copy is all there is, and is not ended for another.
func TestScheduler_OnlyCopyOfASongIsNotBegunAnew(t *testing.T) {
	broken := func(ctx context.Context, t job.Task) (job.Result, error) {
		return takes(6*time.Second).then(ctx, t, fails(job.Internal))
	}
	inBubble(t, Config{Policy: "least_outstanding"}, []node{broken, takes(time.Minute)}, func(t *testing.T, r *rig) {
		r.set(1, false)
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data", Operation: job.Operation{Name: job.Stems}})
		synctest.Wait()
		r.set(1, true)
		begun := time.Now()
		require.Equal(t, job.Succeeded, r.wait(id).State)
		require.Equal(t, 5*time.Second+time.Minute, time.Since(begun))
	})
}

package scheduler

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// Jobs of one image each come half as fast again as the nodes can do them, each with a
// deadline. In a queue that is served in order all would be done just after it: those
// that would be late must make room for others.
func TestScheduler_WhatIsDoneInAnOverloadIsDoneInTime(t *testing.T) {
	const (
		capacity = 40. // a second: four nodes that take 100 ms
		offered  = 1.5
		jobs     = 600
	)
	inBubble(t, Config{Policy: "pull", Jobs: 1000}, fourOf(tells(100*time.Millisecond)), func(t *testing.T, r *rig) {
		r.slotted(1)
		r.folder("/data", 1)
		start := time.Now()
		var ids []job.ID
		for i := range jobs {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / (offered * capacity) * float64(time.Second)))))
			ids = append(ids, r.submit(job.Spec{Source: "/data", Deadline: time.Second}))
		}
		synctest.Wait()
		good := 0.
		for _, id := range ids {
			switch j := r.wait(id); j.State {
			case job.Succeeded:
				good++
			default:
				require.Equal(t, job.DeadlineExceeded, j.Failures[0].Err.Code)
			}
		}
		could := capacity * time.Since(start).Seconds()
		require.GreaterOrEqual(t, good/could, .9, "%v done in time of %v", good, could)
	})
}

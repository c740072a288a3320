package scheduler

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// cleaned are the prefixes that folders were cleaned of.
func (r *rig) cleaned() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.opened {
		all = append(all, f.cleaned...)
	}
	return all
}

func TestScheduler_RemovesWhatLostNodesLeft(t *testing.T) {
	edges := job.Operation{Name: job.DefaultOperation}
	inBubble(t, Config{}, []node{fails(job.Unavailable), takes(1)}, func(t *testing.T, r *rig) {
		j := r.run(10, job.Spec{Operation: edges, Policy: "random"})
		require.Equal(t, job.Succeeded, j.State)
		require.Equal(t, []string{job.TempPrefix(j.ID)}, r.cleaned(), "once, before its end")
	})
	inBubble(t, Config{}, []node{takes(1), rejects}, func(t *testing.T, r *rig) {
		require.Equal(t, job.Succeeded, r.run(10, job.Spec{Operation: edges}).State)
		require.Empty(t, r.cleaned(), "no node was lost")
	})
	inBubble(t, Config{}, []node{fails(job.Unavailable), takes(1)}, func(t *testing.T, r *rig) {
		require.Equal(t, job.Succeeded, r.run(10, job.Spec{Operation: job.Operation{Name: job.NoOperation}, Policy: "random"}).State)
		require.Empty(t, r.cleaned(), "the operation writes nothing")
	})
}

func TestScheduler_AFolderThatCannotBeCleanedKeepsNoJobFromItsEnd(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.Unavailable), takes(1)}, func(t *testing.T, r *rig) {
		r.folders["/data"] = func() *folder { return &folder{base: "/data", n: 10, breaksAt: -1, cleanErr: errors.New("no space")} }
		j := r.wait(r.submit(job.Spec{Source: "/data", Operation: job.Operation{Name: job.DefaultOperation}, Policy: "random"}))
		require.Equal(t, job.Succeeded, j.State)
	})
}

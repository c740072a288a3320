package scheduler

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestJobs_PagesAreFullAndTrueWhereTheStoreKnowsLess(t *testing.T) {
	inBubble(t, Config{Owner: "a", Jobs: 3}, []node{hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		for n := range 12 {
			r.submit(job.Spec{ID: job.ID(fmt.Sprintf("j%02d", n)), Source: "/data"})
		}
		synctest.Wait()
		r.stop() // three of them had started
		b := r.second("b", r.store)
		for _, id := range []job.ID{"j11", "j10", "j09"} { // and these wait, as all do
			require.NoError(t, r.store.Start(t.Context(), id, b.active(id).epoch, time.Now()))
		}
		synctest.Wait()
		for _, row := range []struct {
			states []job.State
			want   []string
		}{
			{[]job.State{job.Queued}, []string{"j11 j10", "j09 j08"}},
			{[]job.State{job.Running}, []string{"j07 j06", "j05 j04", "j03 j02", "j01 j00", ""}},
			{[]job.State{job.Running, job.Queued}, []string{"j11 j10", "j09 j08", "j07 j06", "j05 j04", "j03 j02", "j01 j00", ""}},
			{[]job.State{job.Failed}, []string{""}},
		} {
			require.Equal(t, row.want, pagesOf(t, b, row.states, len(row.want)), row.states)
		}
		for n := range 12 {
			require.NoError(t, b.Cancel(t.Context(), job.ID(fmt.Sprintf("j%02d", n))))
		}
	})
}

// pagesOf are the ids on the pages of two of a list.
func pagesOf(t *testing.T, s *Scheduler, states []job.State, pages int) (all []string) {
	t.Helper()
	f := job.Filter{States: states, Limit: 2}
	for range pages {
		found, err := s.Jobs(t.Context(), f)
		require.NoError(t, err)
		text := ""
		for i, j := range found {
			require.Contains(t, states, j.State)
			if i > 0 {
				text += " "
			}
			text += string(j.ID)
			f.After = j.ID
		}
		all = append(all, text)
	}
	return all
}

func TestTasks_PagesAreFullAndTrueWhileTasksRun(t *testing.T) {
	third := func(ctx context.Context, task job.Task) (job.Result, error) {
		if task.Index%3 == 0 {
			return good(ctx, task)
		}
		return hangs(ctx, task)
	}
	inBubble(t, Config{Window: 400}, []node{third}, func(t *testing.T, r *rig) {
		r.folder("/data", 1000)
		id := r.submit(job.Spec{Source: "/data"})
		synctest.Wait() // tasks up to 599 have been sent, of which 400 run
		rows := []struct {
			state       job.TaskState
			want        int
			first, last int64
		}{
			{job.TaskRunning, 400, 1, 599},
			{job.TaskPending, 400, 600, 999},
			{job.TaskDone, 200, 0, 597},
		}
		for _, row := range rows {
			var all []job.TaskInfo
			f := job.TaskFilter{After: -1, Limit: 150, States: []job.TaskState{row.state}}
			for {
				page, err := r.Tasks(t.Context(), id, f)
				require.NoError(t, err)
				all = append(all, page...)
				if len(page) < f.Limit {
					break
				}
				f.After = page[len(page)-1].Index
			}
			require.Len(t, all, row.want, row.state)
			require.Equal(t, []int64{row.first, row.last}, []int64{all[0].Index, all[len(all)-1].Index}, row.state)
			for i, task := range all {
				require.Equal(t, row.state, task.State)
				require.True(t, i == 0 || task.Index > all[i-1].Index)
			}
		}
		require.NoError(t, r.Cancel(t.Context(), id))
	})
}

func TestNodesWith_AreThoseThatHaveTheTaskAtTheMoment(t *testing.T) {
	slow := func(ctx context.Context, task job.Task) (job.Result, error) {
		if task.Index == 0 {
			return takes(time.Minute)(ctx, task)
		}
		return good(ctx, task)
	}
	inBubble(t, Config{}, []node{slow, rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 2)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(30 * time.Second)
		tasks, err := r.Tasks(t.Context(), id, job.TaskFilter{After: -1})
		require.NoError(t, err)
		require.Equal(t, []job.NodeID{"node_0"}, r.NodesWith(id, tasks[0].Name))
		require.Empty(t, r.NodesWith(id, tasks[1].Name), "it is done")
		require.Empty(t, r.NodesWith(id, "another"))
		require.Empty(t, r.NodesWith("another", tasks[0].Name))
		r.wait(id)
		require.Empty(t, r.NodesWith(id, tasks[0].Name), "it is done")
	})
}

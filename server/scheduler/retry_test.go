package scheduler

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestScheduler_RejectedTaskGoesToAnotherNodeAtOnce(t *testing.T) {
	inBubble(t, Config{}, []node{rejects, rejects, good, rejects}, func(t *testing.T, r *rig) {
		start := time.Now()
		j := r.run(20, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		require.Zero(t, time.Since(start), "no rejection waits while a node is left")

		byTask := map[string][]int{}
		for _, s := range r.fleet.sent() {
			byTask[s.task] = append(byTask[s.task], s.node)
			require.Len(t, byTask[s.task], s.attempt, "attempts are numbered from 1")
		}
		rejected := int64(0)
		for name, nodes := range byTask {
			require.Len(t, nodes, len(slices.Compact(slices.Sorted(slices.Values(nodes)))), "%s: a node that rejected is left out of the round", name)
			rejected += int64(len(nodes) - 1)
		}
		var counted int64
		for _, n := range j.Nodes {
			counted += n.Rejected
			require.Zero(t, n.Failed, "a rejection is no failure")
		}
		require.Equal(t, rejected, counted)
	})
}

func TestScheduler_OnlyPoliciesThatAllowItAreRejected(t *testing.T) {
	for policy, may := range map[string]bool{"random": false, "balance": true} {
		got := make(chan bool, 1)
		inBubble(t, Config{}, []node{func(_ context.Context, t job.Task) (job.Result, error) {
			got <- t.MayReject
			return job.Result{}, nil
		}}, func(t *testing.T, r *rig) { r.run(1, job.Spec{Policy: policy}) })
		require.Equal(t, may, <-got, policy)
	}
}

func TestScheduler_TaskThatEveryoneRejectsIsParkedAndDoesNotSpin(t *testing.T) {
	const nodes = 4
	inBubble(t, Config{Stall: -1}, []node{rejects, rejects, rejects, rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		j := r.now(id)
		require.Equal(t, int64(1), j.Parked)
		require.Equal(t, "every node rejects", j.Waiting)

		sends := r.fleet.sent()
		rounds := len(sends) / nodes
		// The mean park is half a second, after about ten short ones.
		require.InDelta(t, 1200, rounds, 120)
		var parks []time.Duration
		for i := nodes; i < len(sends); i += nodes {
			parks = append(parks, sends[i].at.Sub(sends[i-1].at))
			require.LessOrEqual(t, parks[len(parks)-1], min(maxPark, time.Millisecond<<min(len(parks)-1, 20)), "park %d", len(parks))
		}
		require.Less(t, slices.Min(parks[20:]), maxPark/10, "the jitter is full: it goes down to nothing")
		require.Greater(t, slices.Max(parks), maxPark*9/10)

		require.NoError(t, r.Cancel(t.Context(), id))
		r.wait(id)
	})
}

func TestScheduler_RejectedTasksAreDoneAsSoonAsANodeTakesThem(t *testing.T) {
	inBubble(t, Config{}, []node{rejects, rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 50)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, int64(50), r.now(id).Running)
		r.fleet.mu.Lock()
		r.fleet.nodes[1] = good
		r.fleet.mu.Unlock()
		start := time.Now()
		require.Equal(t, job.Succeeded, r.wait(id).State)
		require.LessOrEqual(t, time.Since(start), maxPark)
	})
}

func TestScheduler_NodesThatAreDownCostATaskNothing(t *testing.T) {
	for name, down := range map[string]func(r *rig, down bool){
		"known to be down": func(r *rig, down bool) {
			r.set(0, !down)
			r.set(1, !down)
		},
		"refusing, and not known yet": func(r *rig, down bool) {
			r.fleet.mu.Lock()
			defer r.fleet.mu.Unlock()
			if r.fleet.nodes[0] = good; down {
				r.fleet.nodes[0] = refuses
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, []node{good, refuses}, func(t *testing.T, r *rig) {
				down(r, true)
				r.folder("/data", 30)
				id := r.submit(job.Spec{Source: "/data"})
				time.Sleep(59 * time.Second) // within the stall timeout
				synctest.Wait()
				require.Equal(t, int64(30), r.now(id).Parked)
				down(r, false)
				j := r.wait(id)
				require.Equal(t, job.Succeeded, j.State)
				require.Len(t, j.Nodes, 1)
				require.Equal(t, job.Tally{Node: "node_0", Done: 30}, j.Nodes[0])
			})
		})
	}
}

func TestScheduler_PermanentErrorFailsTheTaskAfterOneSend(t *testing.T) {
	for _, code := range []job.Code{
		job.InvalidArgument, job.NotFound, job.AlreadyExists, job.FailedPrecondition,
		job.Unauthenticated, job.PermissionDenied, job.DataLoss,
	} {
		t.Run(string(code), func(t *testing.T) {
			inBubble(t, Config{}, []node{fails(code), fails(code), fails(code)}, func(t *testing.T, r *rig) {
				j := r.run(2, job.Spec{})
				require.Equal(t, job.Failed, j.State)
				require.Nil(t, j.Err, "the job as a whole went to its end")
				require.Equal(t, []int64{2, 0}, []int64{j.Failed, j.Quarantined})
				require.Len(t, r.fleet.sent(), 2)
				for _, f := range j.Failures {
					require.Equal(t, code, f.Err.Code)
					require.Equal(t, 1, f.Attempts)
					require.Len(t, f.Nodes, 1)
				}
			})
		})
	}
}

func TestScheduler_InputThatBreaksThreeNodesIsQuarantined(t *testing.T) {
	rows := []struct {
		nodes, sends int
		where        func(t *testing.T, nodes []int)
	}{
		{5, 3, func(t *testing.T, nodes []int) {
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(nodes))), 3, "three different nodes")
		}},
		{3, 3, func(t *testing.T, nodes []int) { require.ElementsMatch(t, []int{0, 1, 2}, nodes) }},
		{2, 3, func(t *testing.T, nodes []int) { require.ElementsMatch(t, []int{0, 1}, nodes[:2]) }},
		{1, 3, func(t *testing.T, nodes []int) { require.Equal(t, []int{0, 0, 0}, nodes) }},
	}
	poison := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Name == "a3.png" {
			return fails(job.Internal)(ctx, t)
		}
		return good(ctx, t)
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%d nodes", row.nodes), func(t *testing.T) {
			inBubble(t, Config{}, slices.Repeat([]node{poison}, row.nodes), func(t *testing.T, r *rig) {
				j := r.run(10, job.Spec{})
				require.Equal(t, job.Failed, j.State)
				require.Equal(t, []int64{9, 0, 1}, []int64{j.Done, j.Failed, j.Quarantined})
				f := j.Failures[0]
				require.True(t, f.Quarantined)
				require.Equal(t, "a3.png", f.Name)
				require.Equal(t, row.sends, f.Attempts)
				require.EqualError(t, f.Err, "says internal")
				var nodes []int
				for n, s := range slices.DeleteFunc(r.fleet.sent(), func(s send) bool { return s.task != "a3.png" }) {
					nodes = append(nodes, s.node)
					require.Equal(t, r.fleet.ID(s.node), f.Nodes[n])
				}
				require.Len(t, nodes, row.sends)
				row.where(t, nodes)
			})
		})
	}
}

func TestScheduler_TheOnlyNodeThatAnswersDoesNotQuarantineBeforeOthersAreBack(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.Internal), good, good}, func(t *testing.T, r *rig) {
		r.set(1, false)
		r.set(2, false)
		r.folder("/data", 10)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(10 * time.Second)
		r.set(2, true)
		require.Equal(t, job.Succeeded, r.wait(id).State)
	})
	inBubble(t, Config{}, []node{fails(job.Internal), good, good}, func(t *testing.T, r *rig) {
		r.set(1, false)
		r.set(2, false)
		j := r.run(10, job.Spec{})
		require.Equal(t, int64(10), j.Quarantined, "but it ends, before the job stalls")
		require.Nil(t, j.Err)
	})
}

func TestScheduler_LostAttemptsGoElsewhereAndAreCapped(t *testing.T) {
	for _, code := range []job.Code{job.Unavailable, job.DeadlineExceeded, job.CancelledCode, "rubbish"} {
		t.Run(string(code), func(t *testing.T) {
			inBubble(t, Config{}, []node{fails(code), good}, func(t *testing.T, r *rig) {
				j := r.run(20, job.Spec{})
				require.Equal(t, job.Succeeded, j.State)
				require.Less(t, len(r.fleet.sent()), 41, "each task is lost once at most")
			})
			inBubble(t, Config{}, []node{fails(code), fails(code)}, func(t *testing.T, r *rig) {
				j := r.run(1, job.Spec{})
				require.Equal(t, job.Failed, j.State)
				require.Equal(t, int64(1), j.Failed)
				require.Len(t, r.fleet.sent(), 2+3)
				require.Equal(t, 2+3, j.Failures[0].Attempts)
				require.Equal(t, code, j.Failures[0].Err.Code)
			})
		})
	}
}

func TestScheduler_ABadNodeDoesNotUseTheTriesUpWhileTheGoodOneIsBusy(t *testing.T) {
	for _, code := range []job.Code{job.Unavailable, job.Internal} {
		busy := time.Time{}
		sometimes := func(ctx context.Context, t job.Task) (job.Result, error) {
			if time.Now().Before(busy) {
				return rejects(ctx, t)
			}
			return good(ctx, t)
		}
		inBubble(t, Config{}, []node{fails(code), sometimes}, func(t *testing.T, r *rig) {
			busy = time.Now().Add(10 * time.Second)
			require.Equal(t, job.Succeeded, r.run(50, job.Spec{}).State, code)
		})
	}
}

func TestScheduler_OneGoodNodeAmongBadOnesDoesEverything(t *testing.T) {
	rubbish := func(context.Context, job.Task) (job.Result, error) {
		return job.Result{Node: "who?", Delayed: false}, fmt.Errorf("unknown protocol id 72")
	}
	nodes := []node{refuses, hangsFor(2 * time.Minute), fails(job.Unavailable), rubbish, takes(10 * time.Millisecond), rejects, fails(job.Unimplemented)}
	for seed := range uint64(20) {
		inBubble(t, Config{Seed: seed + 1}, nodes, func(t *testing.T, r *rig) {
			j := r.run(100, job.Spec{})
			require.Equal(t, job.Succeeded, j.State)
			require.Equal(t, int64(100), j.Done)
		})
	}
}

func TestScheduler_NodesThatCannotAreSkippedAndOnlyAllOfThemFail(t *testing.T) {
	unable := fails(job.Unimplemented)
	inBubble(t, Config{}, []node{unable, unable, answers(rejects, rejects, rejects, good)}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		counts := map[int]int{}
		for _, s := range r.fleet.sent() {
			counts[s.node]++
		}
		require.LessOrEqual(t, counts[0], 1, "asked once at most")
		require.LessOrEqual(t, counts[1], 1)
	})
	inBubble(t, Config{}, []node{unable, unable, unable}, func(t *testing.T, r *rig) {
		start := time.Now()
		j := r.run(1, job.Spec{})
		require.Equal(t, job.Failed, j.State)
		require.Equal(t, job.Unimplemented, j.Failures[0].Err.Code)
		require.Len(t, r.fleet.sent(), 3)
		require.Zero(t, time.Since(start))
	})
}

func TestScheduler_APanicCostsOneTask(t *testing.T) {
	panics := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Name == "a1.png" {
			panic("a bug")
		}
		return good(ctx, t)
	}
	inBubble(t, Config{}, []node{panics, panics}, func(t *testing.T, r *rig) {
		j := r.run(5, job.Spec{})
		require.Equal(t, []int64{4, 1}, []int64{j.Done, j.Failed + j.Quarantined})
		require.Equal(t, "a1.png", j.Failures[0].Name)
		require.Equal(t, "a fault of the server's own; report it with the server's log", job.Describe(j.Failures[0].Err))
		require.Equal(t, job.Succeeded, r.run(0, job.Spec{}).State, "the scheduler lives")
	})
}

func TestScheduler_TasksCarryWhatTheNodeNeeds(t *testing.T) {
	var got job.Task
	inBubble(t, Config{}, []node{func(_ context.Context, t job.Task) (job.Result, error) {
		got = t
		return job.Result{Node: "calls itself otherwise", Delayed: true}, nil
	}}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{ID: "x", Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}}, Deadline: time.Hour})
		require.Equal(t, job.Task{
			Job: "x", Attempt: 1, Base: "/data", Name: "a0.png", MayReject: true, Deadline: j.Created.Add(time.Hour),
			Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}},
		}, got)
		require.Equal(t, []job.Tally{{Node: "node_0", Done: 1, Delayed: 1}}, j.Nodes, "a row goes by the name in machine.txt")
	})
}

func TestScheduler_TaskThatTheOnlyNodeUpCannotDoEndsSoon(t *testing.T) {
	for code, tries := range map[job.Code]int{job.Unavailable: 4 + 3, job.Internal: 6} {
		inBubble(t, Config{}, []node{fails(code), good, good, good}, func(t *testing.T, r *rig) {
			for down := range 3 {
				r.set(1+down, false)
			}
			start := time.Now()
			j := r.run(5, job.Spec{})
			require.Equal(t, int64(5), j.Failed+j.Quarantined)
			require.Len(t, r.fleet.sent(), 5*tries)
			require.Less(t, time.Since(start), time.Minute)
		})
	}
}

// Nodes that die and come back, again and again, cost a task time and no more; one that
// kills every node that it comes to ends.
func TestScheduler_DeathsOfNodesAreForgiven(t *testing.T) {
	dies := func(context.Context, job.Task) (job.Result, error) {
		return job.Result{}, job.E(job.Unavailable, "", job.Lost(fmt.Errorf("connection reset")), "")
	}
	often := []node{}
	for range 9 {
		often = append(often, dies)
	}
	inBubble(t, Config{}, []node{answers(append(often, good)...), answers(append(often, good)...)}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{})
		require.Equal(t, job.Succeeded, j.State, "%+v", j.Failures)
	})
	inBubble(t, Config{}, []node{dies, dies}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{})
		require.Equal(t, int64(1), j.Failed)
		require.Len(t, r.fleet.sent(), deathsForgiven*(2+3))
	})
}

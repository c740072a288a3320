package scheduler

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// glue is a Joiner that notes what it is asked for.
type glue struct {
	mu     sync.Mutex
	joined []string
	fails  []error // of the next joins, one each
	takes  time.Duration
}

func (g *glue) Joins(op job.Operation) bool { return op.Name == "video:edges" }

func (g *glue) Join(ctx context.Context, base string, _ job.ID, _ job.Operation, parts []job.Part) error {
	timer := time.NewTimer(g.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.fails) > 0 {
		err := g.fails[0]
		g.fails = g.fails[1:]
		if err != nil {
			return err
		}
	}
	g.joined = append(g.joined, parts[0].File)
	return nil
}

// roll is a Joiner that gathers the names of all inputs.
type roll struct {
	glue
	lists [][]string
}

func (g *roll) Joins(job.Operation) bool { return false }
func (g *roll) Gathers(op job.Operation) string {
	return map[string]string{"roll": "roll.json"}[op.Name]
}

func (g *roll) Gather(ctx context.Context, base string, id job.ID, op job.Operation, each func(func(string) bool) error) error {
	var names []string
	if err := each(func(name string) bool { names = append(names, name); return true }); err != nil {
		return err
	}
	if err := g.Join(ctx, base, id, op, []job.Part{{File: "all"}}); err != nil {
		return err
	}
	g.lists = append(g.lists, names)
	return nil
}

func (*glue) Gathers(job.Operation) string { return "" }

func (*glue) Gather(context.Context, string, job.ID, job.Operation, func(func(string) bool) error) error {
	return nil
}

// parted is a folder whose inputs come in parts.
func (r *rig) parted(files []string, of int) {
	r.folders["/data"] = func() *folder {
		f := &folder{base: "/data", breaksAt: -1}
		for _, file := range files {
			for i := range of {
				f.names = append(f.names, job.Part{File: file, Number: i + 1, Of: of, From: int64(i), To: int64(i + 1), Count: 1, Note: "-"}.Name())
			}
		}
		f.n = len(f.names)
		return f
	}
}

var everyFrame = job.Spec{Source: "/data", Operation: job.Operation{Name: "video:edges"}}

func TestJoin_EachInputOnceAfterAllItsParts(t *testing.T) {
	g := &glue{takes: time.Second}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second), takes(2 * time.Second)}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi", "b.avi"}, 3)
		j := r.wait(r.submit(everyFrame))
		require.Equal(t, job.Succeeded, j.State)
		require.Equal(t, []string{"a.avi", "b.avi"}, g.joined)
	})
}

func TestJoin_WhatLacksAPartIsNotJoinedAndTheRestIs(t *testing.T) {
	g := &glue{}
	bad := job.E(job.DataLoss, "", errors.New("damaged"), "")
	inBubble(t, Config{Joiner: g}, []node{func(_ context.Context, t job.Task) (job.Result, error) {
		if t.Name == "a.avi/part 2 of 3 [1,2) 1 -" {
			return job.Result{}, bad
		}
		return job.Result{}, nil
	}}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi", "b.avi"}, 3)
		j := r.wait(r.submit(everyFrame))
		require.Equal(t, job.Failed, j.State)
		require.Equal(t, int64(1), j.Failed)
		require.Equal(t, []string{"b.avi"}, g.joined)
	})
}

func TestJoin_WhatIsWholeIsJoinedThoughTheTimeIsOver(t *testing.T) {
	for name, spec := range map[string]job.Spec{
		"deadline":       {Source: "/data", Operation: everyFrame.Operation, Deadline: 20 * time.Second},
		"nobody takes b": everyFrame,
	} {
		t.Run(name, func(t *testing.T) {
			g := &glue{takes: time.Second}
			inBubble(t, Config{Joiner: g, Stall: time.Minute}, []node{func(ctx context.Context, t job.Task) (job.Result, error) {
				if job.FileOf(t.Name) == "b.avi" {
					return rejects(ctx, t)
				}
				return takes(time.Second)(ctx, t)
			}}, func(t *testing.T, r *rig) {
				r.parted([]string{"a.avi", "b.avi"}, 3)
				j := r.wait(r.submit(spec))
				require.Equal(t, job.Failed, j.State)
				require.Equal(t, job.DeadlineExceeded, j.Err.Code)
				require.Equal(t, []string{"a.avi"}, g.joined)
			})
		})
	}
}

func TestJoin_OneThatFailsFailsTheJobAndSaysWhy(t *testing.T) {
	g := &glue{fails: []error{job.E(job.DataLoss, "join a.avi", errors.New("a frame is missing"), "")}}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi", "b.avi"}, 2)
		id := r.submit(everyFrame)
		j := r.wait(id)
		require.Equal(t, job.Failed, j.State)
		require.EqualError(t, j.Err, "join a.avi: a frame is missing")
		require.Equal(t, []string{"b.avi"}, g.joined, "the others are joined all the same")
		require.Equal(t, job.FailedPrecondition, job.CodeOf(r.Retry(t.Context(), id)))
	})
}

func TestJoin_ADiskThatIsInTheWayIsTriedAgain(t *testing.T) {
	full := job.E(job.Unavailable, "write a.mp4", errors.New("the disk is full"), "")
	g := &glue{fails: []error{full, full}}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi"}, 2)
		require.Equal(t, job.Succeeded, r.wait(r.submit(everyFrame)).State)
		require.Equal(t, []string{"a.avi"}, g.joined)
	})
}

func TestJoin_AJobCancelledMeanwhileIsCancelled(t *testing.T) {
	g := &glue{takes: time.Hour}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(time.Minute)
		synctest.Wait()
		j := r.now(id)
		require.Equal(t, job.Running, j.State)
		require.Equal(t, "joining a.avi", j.Waiting)
		require.NoError(t, r.Cancel(t.Context(), id))
		require.Equal(t, job.Cancelled, r.wait(id).State)
		require.Empty(t, g.joined)
	})
}

func TestJoin_AServerThatStopsMeanwhileLeavesItToTheNext(t *testing.T) {
	g := &glue{takes: time.Hour}
	inBubble(t, Config{Joiner: g, Grace: time.Second}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.parted([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.stop()
		j, err := r.store.Job(t.Context(), id)
		require.NoError(t, err)
		require.False(t, j.State.Final())
		require.Equal(t, int64(2), j.Done)
	})
}

var rollCall = job.Spec{Source: "/data", Operation: job.Operation{Name: "roll"}}

func TestGather_AllThatIsDoneOnceAtTheEnd(t *testing.T) {
	g := &roll{glue: glue{takes: time.Second}}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second), takes(3 * time.Second)}, func(t *testing.T, r *rig) {
		j := r.run(2*page+500, rollCall)
		require.Equal(t, job.Succeeded, j.State)
		require.Len(t, g.lists, 1)
		require.Len(t, g.lists[0], 2*page+500)
		require.Equal(t, "a0.png", g.lists[0][0])
		require.Empty(t, j.Waiting)
	})
}

func TestGather_WhatFailedIsLeftOutAndARetryGathersAgain(t *testing.T) {
	g := &roll{}
	bad := true
	inBubble(t, Config{Joiner: g}, []node{func(_ context.Context, t job.Task) (job.Result, error) {
		if bad && t.Name == "a1.png" {
			return job.Result{}, job.E(job.DataLoss, "", errors.New("damaged"), "")
		}
		return job.Result{}, nil
	}}, func(t *testing.T, r *rig) {
		j := r.run(3, rollCall)
		require.Equal(t, job.Failed, j.State)
		require.Equal(t, [][]string{{"a0.png", "a2.png"}}, g.lists)
		bad = false
		require.NoError(t, r.Retry(t.Context(), j.ID))
		require.Equal(t, job.Succeeded, r.wait(j.ID).State)
		require.Equal(t, []string{"a0.png", "a1.png", "a2.png"}, g.lists[1])
	})
}

func TestGather_OfNothingDoneMakesNothing(t *testing.T) {
	g := &roll{}
	inBubble(t, Config{Joiner: g}, []node{fails(job.DataLoss)}, func(t *testing.T, r *rig) {
		require.Equal(t, job.Failed, r.run(3, rollCall).State)
		require.Empty(t, g.lists)
	})
}

func TestGather_FailureFailsTheJobAndADiskInTheWayIsTriedAgain(t *testing.T) {
	full := job.E(job.Unavailable, "write roll.json", errors.New("the disk is full"), "")
	g := &roll{glue: glue{fails: []error{full, nil, job.E(job.FailedPrecondition, "join roll.json", errors.New("too many"), "")}}}
	inBubble(t, Config{Joiner: g}, []node{good}, func(t *testing.T, r *rig) {
		require.Equal(t, job.Succeeded, r.run(3, rollCall).State)
		j := r.run(3, rollCall)
		require.Equal(t, job.Failed, j.State)
		require.EqualError(t, j.Err, "join roll.json: too many")
	})
}

func TestGather_AJobCancelledOrAServerStoppedMeanwhile(t *testing.T) {
	for name, stops := range map[string]bool{"cancelled": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			g := &roll{glue: glue{takes: time.Hour}}
			inBubble(t, Config{Joiner: g, Grace: time.Second}, []node{good}, func(t *testing.T, r *rig) {
				r.folder("/data", 2)
				id := r.submit(rollCall)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, "joining roll.json", r.now(id).Waiting)
				if !stops {
					require.NoError(t, r.Cancel(t.Context(), id))
					require.Equal(t, job.Cancelled, r.wait(id).State)
					return
				}
				r.stop()
				j, err := r.store.Job(t.Context(), id)
				require.NoError(t, err)
				require.False(t, j.State.Final(), "the next server gathers")
			})
			require.Empty(t, g.lists)
		})
	}
}

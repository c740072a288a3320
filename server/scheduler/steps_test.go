package scheduler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

// said is the steps in short.
func said(steps []job.Step) (list []string) {
	for _, st := range steps {
		text := fmt.Sprintf("%s %s", st.Kind, job.Label(st.Name))
		switch {
		case st.Kind == job.TaskStep:
			text += fmt.Sprintf(" %s %d", st.State, st.Ended)
		case st.Took > 0:
			text += fmt.Sprintf(" %v", st.Took)
		}
		if st.Err != nil {
			text += " " + st.Err.Error()
		}
		list = append(list, text)
	}
	return list
}

// heard is all that a watcher from the beginning hears until the job has ended.
func heard(t *testing.T, events <-chan job.Event) (steps []job.Step, skipped int64, last job.Job) {
	number := int64(0)
	for e := range events {
		for _, st := range e.Steps {
			require.Greater(t, st.Number, number, "in order, none twice")
			number = st.Number
		}
		require.LessOrEqual(t, len(e.Steps), 2*job.MaxSteps)
		steps, skipped, last = append(steps, e.Steps...), skipped+e.Skipped, e.Job
	}
	return steps, skipped, last
}

// watched is heard, of a job that is watched from now on.
func watched(t *testing.T, s *Scheduler, id job.ID) (steps []job.Step, skipped int64, last job.Job) {
	events, err := s.Watch(t.Context(), id, job.AllSteps)
	require.NoError(t, err)
	return heard(t, events)
}

// splitting is what a folder says of inputs of so many parts.
func (r *rig) splitting(files []string, of int) {
	r.parted(files, of)
	maker := r.folders["/data"]
	r.folders["/data"] = func() *folder {
		f := maker()
		for _, file := range files {
			f.splits = append(f.splits, job.Step{Kind: job.SplitStep, At: moment(), Name: file, Parts: of, Took: 800 * time.Millisecond})
		}
		return f
	}
}

// wholeStory is what happens to a.avi of two parts, which one node does one by one.
var wholeStory = []string{
	"split a.avi 800ms", "task a.avi (part 1 of 2) done 1", "task a.avi (part 2 of 2) done 2", "joining a.avi", "joined a.avi 400ms",
}

func TestSteps_TellWhatHappensToAJobWithTimes(t *testing.T) {
	g := &glue{takes: 400 * time.Millisecond}
	inBubble(t, Config{Joiner: g, Window: 1}, []node{takes(1200 * time.Millisecond)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		steps, skipped, last := watched(t, r.Scheduler, id)
		require.Equal(t, job.Succeeded, last.State)
		require.Equal(t, wholeStory, said(steps))
		require.Zero(t, skipped)
		require.Equal(t, 16, steps[0].Parts*8)
		require.Equal(t, 1200*time.Millisecond, steps[1].Took)
		require.Equal(t, 1, steps[1].Attempts)
		require.EqualValues(t, 2000, steps[4].Bytes)
		require.Equal(t, 50, job.Percent(steps[1].Ended, last.Total))

		again, _, _ := watched(t, r.Scheduler, id)
		require.Equal(t, steps, again, "who comes just after the end hears all of it")
		for range maxPast { // and then of the inputs
			r.wait(r.submit(everyFrame))
		}
		late, skipped, _ := watched(t, r.Scheduler, id)
		require.Equal(t, []string{"split a.avi 800ms", "joined a.avi 400ms"}, said(late))
		require.EqualValues(t, 2, skipped, "and how many tasks there were")
	})
}

func TestSteps_WhoKnowsSomeHearsTheRestAndWhoWantsNoneHearsNone(t *testing.T) {
	inBubble(t, Config{Joiner: &glue{}, Window: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		steps, _, _ := watched(t, r.Scheduler, id)
		for i, st := range steps {
			events, err := r.Watch(t.Context(), id, st.Number)
			require.NoError(t, err)
			rest, skipped, _ := heard(t, events)
			require.Equal(t, said(steps[i+1:]), said(rest))
			require.Zero(t, skipped, "what it knew is its own affair")
		}
		events, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		none, skipped, _ := heard(t, events)
		require.Empty(t, none)
		require.Zero(t, skipped)
	})
}

func TestSteps_OfAMillionTasksTheLatestAreTold(t *testing.T) {
	const n = 20_000
	inBubble(t, Config{Window: 100}, []node{takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		r.fleet.forgetful = true
		r.folder("/data", n)
		id := r.submit(job.Spec{Source: "/data"})
		slow, err := r.Watch(t.Context(), id, job.AllSteps)
		require.NoError(t, err)
		steps, skipped, _ := watched(t, r.Scheduler, id)
		require.EqualValues(t, n, int64(len(steps))+skipped, "every task is told or counted")
		require.Greater(t, skipped, int64(n/2), "100 a millisecond are too many to tell of")

		e := <-slow // was ready before
		require.Empty(t, e.Steps)
		steps, skipped, last := heard(t, slow)
		require.Equal(t, job.Succeeded, last.State)
		require.Len(t, steps, job.MaxSteps, "who does not listen hears the latest")
		require.EqualValues(t, n-job.MaxSteps, skipped, "and of how many it did not")
		require.EqualValues(t, n, steps[len(steps)-1].Ended)
		r.Scheduler.mu.Lock()
		defer r.Scheduler.mu.Unlock()
		require.LessOrEqual(t, cap(r.past[0].steps.tasks), 4*job.MaxSteps, "and no more is remembered")
	})
}

func TestSteps_ManyTasksDoNotPushOutTheInputs(t *testing.T) {
	inBubble(t, Config{Joiner: &glue{}, Window: 100}, []node{takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 5000)
		id := r.submit(everyFrame)
		r.wait(id)
		steps, skipped, _ := watched(t, r.Scheduler, id)
		require.Len(t, steps, job.MaxSteps+3)
		require.EqualValues(t, 5000-job.MaxSteps, skipped)
		require.Equal(t, "split a.avi 800ms", said(steps)[0])
	})
}

func TestSteps_TellWhyATaskIsNotDone(t *testing.T) {
	inBubble(t, Config{Breaks: 2, Window: 1}, []node{fails(job.Internal), fails(job.Internal)}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{})
		steps, _, _ := watched(t, r.Scheduler, j.ID)
		require.Equal(t, []string{"task a0.png quarantined 1 says internal"}, said(steps))
		require.Equal(t, 2, steps[0].Attempts)
		require.NotEmpty(t, steps[0].Node)
	})
}

func TestSteps_AServerThatComesBackKnowsWhatHappenedToInputs(t *testing.T) {
	g := &glue{takes: time.Hour}
	inBubble(t, Config{Joiner: g, Window: 1, Grace: time.Second, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(time.Minute) // joins
		synctest.Wait()
		events, err := r.Watch(t.Context(), id, job.AllSteps)
		require.NoError(t, err)
		before := (<-events).Steps
		require.Equal(t, wholeStory[:4], said(before))

		r.stop()
		next := &glue{takes: 400 * time.Millisecond}
		b := r.secondOf(Config{Joiner: next}, "b", r.store)
		rest, err := b.Watch(t.Context(), id, before[3].Number)
		require.NoError(t, err)
		steps, _, last := heard(t, rest)
		require.Equal(t, job.Succeeded, last.State)
		require.Equal(t, wholeStory[3:], said(steps), "it is joined once more, and who watched goes on")
		require.Equal(t, []string{"a.avi"}, next.joined)
		late, skipped, _ := watched(t, b, id)
		require.Equal(t, []string{"split a.avi 800ms", "joining a.avi", "joined a.avi 400ms"}, said(late))
		require.EqualValues(t, 2, skipped)
	})
}

func TestSteps_WhatIsJoinedIsNotJoinedAgainByTheNextServer(t *testing.T) {
	g := &glue{takes: time.Minute}
	inBubble(t, Config{Joiner: g, Grace: time.Second, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi", "b.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(90 * time.Second) // a.avi is joined, and b.avi is being joined
		synctest.Wait()
		r.stop()
		require.Equal(t, []string{"a.avi"}, g.joined)
		next := &glue{}
		b := r.secondOf(Config{Joiner: next}, "b", r.store)
		_, _, last := watched(t, b, id)
		require.Equal(t, job.Succeeded, last.State)
		require.Equal(t, []string{"b.avi"}, next.joined)
	})
}

func TestSteps_ACancelledJoinIsNoFaultOfTheInput(t *testing.T) {
	inBubble(t, Config{Joiner: &glue{takes: time.Hour}, Window: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(time.Minute)
		require.NoError(t, r.Cancel(t.Context(), id))
		steps, _, last := watched(t, r.Scheduler, id)
		require.Equal(t, job.Cancelled, last.State)
		require.Equal(t, wholeStory[:4], said(steps), "begun, and neither joined nor refused")
	})
}

func TestSteps_AreKeptThroughAStoreThatFails(t *testing.T) {
	g := &glue{takes: time.Second}
	inBubble(t, Config{Joiner: g, Window: 1, Lease: time.Hour}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		time.Sleep(2500 * time.Millisecond) // joins
		r.way.cut.Store(true)
		time.Sleep(time.Minute)
		require.False(t, r.now(id).State.Final())
		r.way.cut.Store(false)
		require.Equal(t, job.Succeeded, r.wait(id).State)
		require.Equal(t, []string{"a.avi"}, g.joined, "once")
		kept, err := r.store.Steps(t.Context(), id, -1, 10)
		require.NoError(t, err)
		require.Equal(t, []string{"split a.avi 800ms", "joined a.avi 1s"}, said(kept))
	})
}

func TestRetry_DoesEveryPartOfWhatIsNotJoinedAgain(t *testing.T) {
	g, mended := &glue{}, false
	sick := func(ctx context.Context, task job.Task) (job.Result, error) {
		if p, _ := job.ParsePart(task.Name); p.File == "b.avi" && p.Number == 2 && !mended {
			return fails(job.Internal)(ctx, task)
		}
		return takes(time.Second)(ctx, task)
	}
	inBubble(t, Config{Joiner: g, Breaks: 1}, []node{sick}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi", "b.avi", "c.avi"}, 3)
		id := r.submit(everyFrame)
		j := r.wait(id)
		require.Equal(t, job.Failed, j.State)
		require.EqualValues(t, 1, j.Quarantined)
		require.Equal(t, []string{"a.avi", "c.avi"}, g.joined)

		mended = true
		before := len(r.fleet.sent())
		require.NoError(t, r.Retry(t.Context(), id))
		j = r.wait(id)
		require.Equal(t, job.Succeeded, j.State)
		require.EqualValues(t, 9, j.Done)
		require.Equal(t, []string{"a.avi", "c.avi", "b.avi"}, g.joined, "what is joined stays")
		for _, sent := range r.fleet.sent()[before:] {
			require.Equal(t, "b.avi", job.FileOf(sent.task))
		}
		require.Len(t, r.fleet.sent()[before:], 3, "its segments are gone, so that each part is done again")
		require.Equal(t, job.FailedPrecondition, job.CodeOf(r.Retry(t.Context(), id)), "all is done")
	})
}

func TestRetry_JoinsAgainWhatCouldNotBeJoined(t *testing.T) {
	g := &glue{fails: []error{job.E(job.DataLoss, "join a.avi", errors.New("a frame is missing"), "")}}
	inBubble(t, Config{Joiner: g, Window: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		steps, _, j := watched(t, r.Scheduler, id)
		require.Equal(t, job.Failed, j.State)
		require.EqualValues(t, 2, j.Done)
		require.Equal(t, "joined a.avi join a.avi: a frame is missing", said(steps)[4])
		require.NoError(t, r.Retry(t.Context(), id))
		steps, _, j = watched(t, r.Scheduler, id)
		require.Equal(t, job.Succeeded, j.State)
		require.Len(t, r.fleet.sent(), 4)
		require.Equal(t, []string{
			"split a.avi 800ms", "joined a.avi join a.avi: a frame is missing",
			"task a.avi (part 1 of 2) done 1", "task a.avi (part 2 of 2) done 2", "joining a.avi", "joined a.avi",
		}, said(steps))
	})
}

func TestRetry_OfTwoAtOnceOneIsTaken(t *testing.T) {
	g := &glue{fails: []error{job.E(job.DataLoss, "join a.avi", errors.New("a frame is missing"), "")}}
	inBubble(t, Config{Joiner: g}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.splitting([]string{"a.avi"}, 2)
		id := r.submit(everyFrame)
		r.wait(id)
		stale, err := r.again(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, r.Retry(t.Context(), id))
		require.Equal(t, job.Succeeded, r.wait(id).State)
		_, err = r.store.Retry(t.Context(), stale)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.Equal(t, store.Spans{{First: 0, Last: 1}}, stale.Redo)
	})
}

package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func keepsJobs(t *testing.T, s keeper) {
	spec := job.Spec{
		ID: "full", Source: "/d\xffta\n", Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}},
		Policy: "least", Deadline: time.Hour, Priority: -7, Tags: []string{"gpu", "eu"}, Keep: time.Minute,
	}
	j, created, err := s.Submit(t.Context(), store.Submission{
		Spec: spec, Base: "/r\xfe/data", Owner: "me", Created: noon(), Skipped: 3, Inputs: given("a.jpg", "b.jpg"),
	})
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, store.Job{
		Job: job.Job{
			ID: "full", Spec: spec, State: job.Queued, Version: 1, Created: noon(), Total: 2, Counted: true, Skipped: 3,
		},
		Asked: spec, Base: "/r\xfe/data", Owner: "me", Epoch: 1, Seq: j.Seq, Deadline: noon().Add(time.Hour),
	}, j)
	require.Equal(t, j, reread(t, s, "full"))

	require.NoError(t, s.Start(t.Context(), "full", 1, noon().Add(time.Second)))
	j.State, j.Started, j.Version = job.Running, noon().Add(time.Second), 2
	require.Equal(t, j, reread(t, s, "full"))
	require.NoError(t, s.Start(t.Context(), "full", 1, noon()), "again")
	require.Equal(t, j, reread(t, s, "full"), "changes nothing")

	cause := job.E(job.DeadlineExceeded, "run job", errors.New("out of time"), "give it more")
	require.NoError(t, s.End(t.Context(), store.Ending{Job: "full", Epoch: 1, State: job.Failed, Err: cause, At: noon().Add(time.Minute)}))
	j.State, j.Finished, j.Version, j.Err = job.Failed, noon().Add(time.Minute), 3, cause
	own := reread(t, s, "full")
	require.Equal(t, j, own)
	own.Err.Hint, own.Spec.Tags[0], own.Spec.Operation.Params["kernel"] = "", "", ""
	require.Equal(t, j, reread(t, s, "full"), "what is read is the reader's own")
	require.ErrorIs(t, s.Start(t.Context(), "full", 1, noon()), store.ErrStale)

	_, err = s.Job(t.Context(), "none")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	_, err = s.Job(t.Context(), "\xff'\x00")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.Equal(t, job.NotFound, job.CodeOf(s.Start(t.Context(), "none", 1, noon())))
}

func submitsOnce(t *testing.T, s keeper) {
	sub := store.Submission{Spec: job.Spec{ID: "a", Source: "data", Priority: 1}, Owner: "me", Created: noon(), Inputs: given("x", "y")}
	first, created, err := s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.True(t, created)
	finish(t, s, done("a", 1, 0))

	sub.Inputs = func(context.Context, func(string) bool) error { return errors.New("listed again") }
	again, created, err := s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, first.Seq, again.Seq)
	require.EqualValues(t, 1, again.Done)

	for name, change := range map[string]func(*job.Spec){
		"source":    func(s *job.Spec) { s.Source = "other" },
		"operation": func(s *job.Spec) { s.Operation.Name = "blur" },
		"priority":  func(s *job.Spec) { s.Priority = 2 },
		"tags":      func(s *job.Spec) { s.Tags = []string{"x"} },
	} {
		other := sub
		change(&other.Spec)
		_, _, err = s.Submit(t.Context(), other)
		require.Equal(t, job.AlreadyExists, job.CodeOf(err), name)
	}
	sub.Spec.ID = "no id"
	_, _, err = s.Submit(t.Context(), sub)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func submitsOnceAtOnce(t *testing.T, s keeper) {
	const clients = 8
	var callers sync.WaitGroup
	made := make([]bool, clients)
	for i := range clients {
		callers.Go(func() {
			j, created, err := s.Submit(t.Context(), store.Submission{
				Spec: job.Spec{ID: "same", Source: "data"}, Created: noon(), Inputs: numbered(2500),
			})
			made[i] = created
			if err != nil || j.Total != 2500 {
				t.Errorf("submit: %d tasks, %v", j.Total, err)
			}
		})
	}
	callers.Wait()
	n := 0
	for _, created := range made {
		if created {
			n++
		}
	}
	require.Equal(t, 1, n)
	require.Len(t, pending(t, s, "same"), 2500)
}

func undoesSubmissions(t *testing.T, s keeper) {
	gone := errors.New("the folder is gone")
	sub := store.Submission{
		Spec: job.Spec{ID: "half", Source: "data"}, Created: noon(),
		Inputs: func(ctx context.Context, yield func(string) bool) error {
			if err := numbered(5000)(ctx, yield); err != nil {
				return err
			}
			return gone
		},
	}
	_, created, err := s.Submit(t.Context(), sub)
	require.ErrorIs(t, err, gone)
	require.False(t, created)
	_, err = s.Job(t.Context(), "half")
	require.Equal(t, job.NotFound, job.CodeOf(err))

	sub.Inputs = given("a", "b\x00c")
	_, _, err = s.Submit(t.Context(), sub)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))

	sub.Inputs = given()
	j, created, err := s.Submit(t.Context(), sub)
	require.NoError(t, err, "the id is free")
	require.True(t, created)
	require.Zero(t, j.Total)
	require.Empty(t, pending(t, s, "half"))
}

func keepsHostileNames(t *testing.T, s keeper) {
	names := []string{
		"a\nb", "\xff\xfe invalid", strings.Repeat("x", 255), strings.Repeat("\n", 255), "'; DROP TABLE jobs; --", "?", "$1",
		" ", "\t", "é", "e\u0301", "\u202egpj.exe", "\\x00", "-rf", "%s%n",
	}
	_, _, err := s.Submit(t.Context(), store.Submission{Spec: job.Spec{ID: "h", Source: "data"}, Owner: "me", Created: noon(), Inputs: given(names...)})
	require.NoError(t, err)
	inputs, err := s.Pending(t.Context(), "h", -1, 100)
	require.NoError(t, err)
	require.Len(t, inputs, len(names))
	for i, in := range inputs {
		require.Equal(t, names[i], in.Name)
	}
	o := broken("h", 1, 1, 1)
	o.Last.Err = job.E(job.Internal, "read \xff\x00", errors.New("bad \xff\x00"), "")
	o.Last.Node, o.Nodes = "n\xff\x00'", []job.NodeID{"n\xff\x00"}
	finish(t, s, o)
	s.Note(store.Interim{Job: "h", Epoch: 1, Index: 2, Attempt: o.Last, Tally: job.Tally{Node: "n\xff\x00", Done: 1}})
	s.Note(store.Interim{Job: "h\xff\x00", Epoch: 1, Tally: job.Tally{Node: "n", Done: 1}})
	require.ErrorIs(t, s.Finish(t.Context(), done("h\xff\x00", 1, 0)), store.ErrStale)
	end(t, s, "h", 1, job.Failed, noon())
	j := reread(t, s, "h")
	require.Equal(t, names[1], j.Failures[0].Name)
	require.EqualValues(t, 1, j.Nodes[0].Done)
}

func pagesInputs(t *testing.T, s keeper) {
	const n = 4321
	submit(t, s, "big", n)
	finish(t, s, done("big", 1, 0), done("big", 1, 999), done("big", 1, 1000), done("big", 1, n-1))
	var seen []int64
	after := int64(-1)
	for {
		inputs, err := s.Pending(t.Context(), "big", after, 700)
		require.NoError(t, err)
		for _, in := range inputs {
			seen = append(seen, in.Index)
		}
		if len(inputs) < 700 {
			break
		}
		after = inputs[len(inputs)-1].Index
	}
	require.Len(t, seen, n-4)
	require.IsIncreasing(t, seen)
	require.NotContains(t, seen, int64(999))
	inputs, err := s.Pending(t.Context(), "big", -1, 0)
	require.NoError(t, err)
	require.Len(t, inputs, 100, "the default")
	require.Equal(t, store.Input{Index: 1, Name: "image_0000001.jpg"}, inputs[0])
	_, err = s.Pending(t.Context(), "none", -1, 1)
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func knowsWhatWasAsked(t *testing.T, s keeper) {
	asked := job.Spec{ID: "a", Source: "data"}
	sub := store.Submission{Spec: asked, Asked: asked, Owner: "me", Created: noon(), Inputs: numbered(1)}
	sub.Spec.Policy, sub.Spec.Operation.Name = "random", "edges"
	j, created, err := s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, []job.Spec{sub.Spec, asked}, []job.Spec{j.Spec, j.Asked})

	other := sub // of a server whose defaults differ
	other.Spec.Policy, other.Spec.Operation.Name = "balance", "blur"
	j, created, err = s.Submit(t.Context(), other)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, "random", j.Spec.Policy)
	other.Asked, other.Spec = sub.Spec, sub.Spec // the defaults, by their names
	_, created, err = s.Submit(t.Context(), other)
	require.NoError(t, err)
	require.False(t, created)
	other.Asked.Policy, other.Spec.Policy = "balance", "balance"
	_, _, err = s.Submit(t.Context(), other)
	require.Equal(t, job.AlreadyExists, job.CodeOf(err))
}

func keepsTheTrace(t *testing.T, s keeper) {
	spec := job.Spec{ID: "a", Source: "data", Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	_, _, err := s.Submit(t.Context(), store.Submission{Spec: spec, Created: noon(), Inputs: numbered(1)})
	require.NoError(t, err)
	j, err := s.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, spec.Trace, j.Spec.Trace)
	again := spec
	again.Trace = ""
	_, created, err := s.Submit(t.Context(), store.Submission{Spec: again, Created: noon(), Inputs: numbered(1)})
	require.NoError(t, err, "a submission that is repeated may be part of another trace")
	require.False(t, created)
}

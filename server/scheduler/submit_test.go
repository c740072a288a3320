package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

var blur = job.OperationInfo{Name: "blur", Params: []job.ParamInfo{{Name: "kernel", Kind: job.IntParam, Default: "3", Min: 1, Max: 31, Odd: true}}}

func TestSubmit_TheSameJobTwiceIsOneJob(t *testing.T) {
	inBubble(t, Config{}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 5)
		spec := job.Spec{ID: "mine", Source: "/data", Deadline: time.Minute, Operation: job.Operation{Name: "edges"}}
		require.Equal(t, job.ID("mine"), r.submit(spec))
		require.Equal(t, job.ID("mine"), r.submit(spec), "while it runs")
		spec.Operation = job.Operation{}
		require.Equal(t, job.ID("mine"), r.submit(spec), "a default and its name are the same")
		r.wait("mine")
		require.Equal(t, job.ID("mine"), r.submit(spec), "when it has ended")
		synctest.Wait()
		require.Len(t, r.fleet.sent(), 5)
		require.Len(t, r.opened, 1)
	})
}

func TestSubmit_AnotherJobOfTheSameIDIsRefused(t *testing.T) {
	spec := job.Spec{ID: "mine", Source: "/data", Policy: "random", Deadline: time.Minute, Operation: job.Operation{Name: "edges"}}
	rows := map[string]func(s *job.Spec){
		"source":    func(s *job.Spec) { s.Source = "/other" },
		"policy":    func(s *job.Spec) { s.Policy = "balance" },
		"deadline":  func(s *job.Spec) { s.Deadline++ },
		"operation": func(s *job.Spec) { s.Operation.Name = "blur" },
		"parameter": func(s *job.Spec) { s.Operation.Params = map[string]string{"a": "b"} },
	}
	for name, change := range rows {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
				r.folder("/data", 1)
				r.folder("/other", 1)
				r.submit(spec)
				other := spec
				change(&other)
				_, err := r.Submit(t.Context(), other)
				require.Equal(t, job.AlreadyExists, job.CodeOf(err))
				require.Equal(t, "job mine: another job has this id; submit without an id, or with a new one", job.Describe(err))
			})
		})
	}
}

func TestSubmit_ManyAtOnceMakeOneJob(t *testing.T) {
	inBubble(t, Config{}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 5)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				id, err := r.Submit(t.Context(), job.Spec{ID: "mine", Source: "/data"})
				require.NoError(t, err)
				require.Equal(t, job.ID("mine"), id)
			})
		}
		wg.Wait()
		r.wait("mine")
		require.Len(t, r.fleet.sent(), 5)
	})
}

func TestSubmit_RefusesBeforeAnythingIsStored(t *testing.T) {
	rows := []struct {
		name string
		spec job.Spec
		code job.Code
		want string
	}{
		{"id", job.Spec{ID: "../x"}, job.InvalidArgument, `job id: "../x" is not an id; use 1 to 64 letters, digits, '-', '_' or '.'`},
		{"policy", job.Spec{Policy: "best"}, job.InvalidArgument, `policy "best": no such policy; use one of ` + strings.Join(policy.Names(), ", ")},
		{"deadline", job.Spec{Deadline: -time.Second}, job.InvalidArgument, "deadline: -1s is in the past; use a positive duration, as in 90s or 10m"},
		{"operation", job.Spec{Operation: job.Operation{Name: "melt"}}, job.InvalidArgument, `operation "melt": no such operation; use one of edges, blur`},
		{"parameter", job.Spec{Operation: job.Operation{Name: "blur", Params: map[string]string{"size": "3"}}}, job.InvalidArgument, `operation blur: it has no parameter "size"; blur takes kernel`},
		{"value", job.Spec{Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "4"}}}, job.InvalidArgument, `operation blur: kernel: 4 is even; kernel takes an odd whole number from 1 to 31 (default 3)`},
		{"folder", job.Spec{Source: "/nowhere"}, job.NotFound, "open /nowhere: no such folder"},
	}
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		r.fleet.operations = []job.OperationInfo{{Name: "edges"}, blur}
		r.folder("/data", 1)
		for _, row := range rows {
			if row.spec.Source == "" {
				row.spec.Source = "/data"
			}
			_, err := r.Submit(t.Context(), row.spec)
			require.Error(t, err, row.name)
			require.Equal(t, row.want, job.Describe(err))
			require.Equal(t, row.code, job.CodeOf(err))
		}
		all, err := r.Jobs(t.Context(), job.Filter{})
		require.NoError(t, err)
		require.Empty(t, all)
		require.Empty(t, r.opened, "no folder was opened")
		r.submit(job.Spec{Source: "/data", Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "5"}}})
	})
}

func TestSubmit_TakesAnyOperationWhileNoNodeHasTold(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.Unimplemented)}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{Operation: job.Operation{Name: "melt"}})
		require.Equal(t, job.Unimplemented, j.Failures[0].Err.Code)
	})
}

func TestSubmit_TooManyJobsAreTurnedAway(t *testing.T) {
	inBubble(t, Config{MaxJobs: 3}, []node{hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		for n := range 3 {
			r.submit(job.Spec{ID: job.ID(fmt.Sprint("j", n)), Source: "/data"})
		}
		_, err := r.Submit(t.Context(), job.Spec{Source: "/data"})
		require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
		require.Equal(t, "submit: 3 jobs run or wait; wait until one has ended", job.Describe(err))
		r.submit(job.Spec{ID: "j1", Source: "/data"})

		require.NoError(t, r.Cancel(t.Context(), "j0"))
		r.wait("j0")
		synctest.Wait()
		r.submit(job.Spec{Source: "/data"})
	})
}

func TestScheduler_ForgetsJobsThatEndedLongAgo(t *testing.T) {
	gate := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Job == "running" {
			return hangs(ctx, t)
		}
		return good(ctx, t)
	}
	inBubble(t, Config{Keep: 3 * time.Hour}, []node{gate}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		r.submit(job.Spec{ID: "running", Source: "/data"})
		for n := range 10 {
			r.wait(r.submit(job.Spec{ID: job.ID(fmt.Sprint("j", n)), Source: "/data"}))
			time.Sleep(59 * time.Minute)
		}
		time.Sleep(2 * expireEvery)
		require.Equal(t, []job.ID{"j9", "j8", "j7", "running"}, r.ids(job.Filter{}))
		require.Equal(t, []job.ID{"j9", "j8"}, r.ids(job.Filter{Limit: 2}))
		require.Equal(t, []job.ID{"running"}, r.ids(job.Filter{States: []job.State{job.Running, job.Queued}}))
		_, err := r.Job(t.Context(), "j6")
		require.Equal(t, "job j6: no such job; list the jobs with: client jobs", job.Describe(err))
		require.Equal(t, job.NotFound, job.CodeOf(err))
		_, err = r.Watch(t.Context(), "j6")
		require.Equal(t, job.NotFound, job.CodeOf(err))
		r.wait(r.submit(job.Spec{ID: "j6", Source: "/data"}))
	})
}

// ids are the jobs that a filter selects.
func (r *rig) ids(f job.Filter) []job.ID {
	r.t.Helper()
	all, err := r.Jobs(r.t.Context(), f)
	require.NoError(r.t, err)
	var ids []job.ID
	for _, j := range all {
		ids = append(ids, j.ID)
	}
	return ids
}

func TestJobs_GivesTheNewestHundredUnlessTold(t *testing.T) {
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		r.folder("/data", 0)
		for n := range 120 {
			r.submit(job.Spec{ID: job.ID(fmt.Sprint("j", n)), Source: "/data"})
		}
		ids := r.ids(job.Filter{})
		require.Len(t, ids, 100)
		require.Equal(t, job.ID("j119"), ids[0])
		require.Len(t, r.ids(job.Filter{Limit: 1000}), 120)
	})
}

func TestConfig_Validate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, Config{Policy: "random", Stall: -1}.Validate())
	for want, c := range map[string]Config{
		"window: -1 is negative; use a positive number":                                   {Window: -1},
		"breaks: -1 is negative; use a positive number":                                   {Breaks: -1},
		"keep: -2ns is negative; use a positive time":                                     {Keep: -2},
		"max-jobs: -1 is negative; use a positive number":                                 {MaxJobs: -1},
		`policy "best": no such policy; use one of ` + strings.Join(policy.Names(), ", "): {Policy: "best"},
	} {
		err := c.Validate()
		require.Error(t, err)
		require.Equal(t, want, job.Describe(err))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
}

func TestScheduler_TwoJobsDoNotWriteDifferentResultsUnderTheSameNames(t *testing.T) {
	inBubble(t, Config{}, []node{hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		r.folder("/other", 1)
		first := r.submit(job.Spec{ID: "first", Source: "/data"})
		blur := job.Operation{Name: "blur"}
		_, err := r.Submit(t.Context(), job.Spec{Source: "/data", Operation: blur})
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.ErrorContains(t, err, "job first has not ended")
		require.Contains(t, job.HintOf(err), "client cancel first")
		r.submit(job.Spec{Source: "/data", Policy: "random"}) // the same results
		r.submit(job.Spec{Source: "/other", Operation: blur}) // another folder
		r.submit(job.Spec{Source: "/data", Operation: job.Operation{Name: job.NoOperation}})
		all, err := r.Jobs(t.Context(), job.Filter{})
		require.NoError(t, err)
		for _, j := range all {
			require.NoError(t, r.Cancel(t.Context(), j.ID))
		}
		synctest.Wait()
		require.Equal(t, job.Cancelled, r.now(first).State)
		r.submit(job.Spec{Source: "/data", Operation: blur})
	})
}

func TestSubmit_ServersWithOneStoreSeeEachOthersFolders(t *testing.T) {
	inBubble(t, Config{Owner: "a"}, []node{hangs}, func(t *testing.T, r *rig) {
		b := r.second("b", r.store)
		r.folder("/data", 1)
		r.submit(job.Spec{ID: "first", Source: "/data"})
		blur := job.Operation{Name: "blur"}
		_, err := b.Submit(t.Context(), job.Spec{ID: "second", Source: "/data", Operation: blur})
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.ErrorContains(t, err, "job first has not ended, and writes edges into the same output_dir")

		require.NoError(t, r.Cancel(t.Context(), "first"))
		r.wait("first")
		_, err = b.Submit(t.Context(), job.Spec{ID: "second", Source: "/data", Operation: blur})
		require.NoError(t, err)
		err = r.Retry(t.Context(), "first")
		require.ErrorContains(t, err, "job second has not ended, and writes blur into the same output_dir")
		require.NoError(t, r.Cancel(t.Context(), "second"))
		r.wait("second")
		require.NoError(t, r.Retry(t.Context(), "first"))
		require.NoError(t, r.Cancel(t.Context(), "first"))
		r.wait("first")
	})
}

func TestSubmit_RepeatedAtAServerWithOtherDefaultsIsTheSameJob(t *testing.T) {
	for _, ended := range []bool{false, true} {
		inBubble(t, Config{Owner: "a", Policy: "random"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
			b := r.second("b", r.store) // whose policy is balance
			r.folder("/data", 1)
			id := r.submit(job.Spec{ID: "mine", Source: "/data"})
			if ended {
				r.wait(id)
			}
			for _, spec := range []job.Spec{
				{ID: "mine", Source: "/data"},
				{ID: "mine", Source: "/data", Policy: "random"},
				{ID: "mine", Source: "/data", Policy: "random", Operation: job.Operation{Name: job.DefaultOperation}},
			} {
				_, err := b.Submit(t.Context(), spec)
				require.NoError(t, err)
			}
			_, err := b.Submit(t.Context(), job.Spec{ID: "mine", Source: "/data", Policy: "balance"})
			require.Equal(t, job.AlreadyExists, job.CodeOf(err), "that was not asked for")
			require.Equal(t, "random", r.now(id).Spec.Policy)
			r.wait(id)
			require.Len(t, r.fleet.sent(), 1)
		})
	}
}

func TestSubmit_ARepeatIsNotCheckedAgain(t *testing.T) {
	inBubble(t, Config{}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		spec := job.Spec{ID: "mine", Source: "/data", Operation: job.Operation{Name: "melt"}}
		r.submit(spec)
		r.fleet.operations = []job.OperationInfo{{Name: "edges"}}
		delete(r.folders, "/data")
		require.Equal(t, job.ID("mine"), r.submit(spec))
		r.wait("mine")
	})
}

func TestSubmit_AsManyChunksAsNodesIsTheNumberThatTakeTasksThen(t *testing.T) {
	inBubble(t, Config{}, []node{takes(time.Second), takes(time.Second), takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		r.set(2, false)
		spec := job.Spec{ID: "mine", Source: "/data", Operation: job.Operation{Name: job.Stems, Params: map[string]string{"chunks": job.PerNode}}}
		r.submit(spec)
		r.set(2, true)
		require.Equal(t, "stems:chunks=2", r.now("mine").Spec.Operation.String())
		r.submit(spec) // again: the same job, with as many as it has
		r.wait("mine")
		require.Equal(t, "stems:chunks=2", r.now("mine").Spec.Operation.String())

		spec.ID = "other"
		r.submit(spec)
		require.Equal(t, "stems:chunks=3", r.wait("other").Spec.Operation.String())
	})
}

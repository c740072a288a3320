package test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/closedform"
	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/confine"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/scheduler"
	"spillway/server/store"
)

// Scheduler and workers in one process, on virtual time: the delay of 3 s costs
// nothing, so that thousands of jobs can be held against the closed forms.
func TestFidelity_MakespanMeetsTheClosedForms(t *testing.T) {
	const delay = 3 * time.Second
	for _, p := range [][]float64{{.2, .2, .2, .2}, {.8, .8, .8, .8}, {.1, .5, .2, .9}, {.8, .6, .5, .2}} {
		for _, images := range []int{6, 100} {
			jobs := 10_000
			if images == 100 {
				jobs = 200
			}
			for _, mode := range []string{"random", "balance"} {
				t.Run(fmt.Sprintf("%s of %d at %v", mode, images, p), func(t *testing.T) {
					t.Parallel() // each in a bubble of its own, whose time others cannot stretch
					want := closedform.Random(p, images)
					if mode == "balance" {
						want = closedform.Balance(p, images)
					}
					got, spread := meanMakespan(t, p, delay, images, jobs, mode)
					// A little more than a percent for the short parks between rounds, and the width
					// of a 99.9 % interval of so many jobs.
					slack := .012*want + 3.3*spread/math.Sqrt(float64(jobs))
					require.InDelta(t, want, got/delay.Seconds(), slack)
				})
			}
		}
	}
}

// meanMakespan runs the jobs one after the other and returns the mean makespan in
// seconds, and its standard deviation in multiples of the delay.
func meanMakespan(t *testing.T, p []float64, delay time.Duration, images, jobs int, mode string) (mean, spread float64) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		fleet := newFleet(t, p, delay)
		s := scheduler.New(scheduler.Config{Seed: 1, Keep: time.Second}, opener(images), fleet, store.NewMemory(), quiet())
		for i := range p {
			s.NodeChanged(i, policy.Node{ID: fleet.ID(i), Up: true})
		}
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		var sum, squares float64
		for range jobs {
			j := runOne(ctx, t, s, job.Spec{Source: "x", Policy: mode, Operation: job.Operation{Name: "none"}})
			require.Equal(t, job.Succeeded, j.State)
			took := j.Elapsed(time.Now()).Seconds()
			sum, squares = sum+took, squares+took*took
		}
		stop()
		require.NoError(t, <-ended)
		n := float64(jobs)
		mean = sum / n
		spread = math.Sqrt(max(0, squares/n-mean*mean)) / delay.Seconds()
	})
	return mean, spread
}

// runOne submits a job and waits for its end.
func runOne(ctx context.Context, t *testing.T, s job.Service, spec job.Spec) job.Job {
	id, err := s.Submit(ctx, spec)
	require.NoError(t, err)
	events, err := s.Watch(ctx, id, job.NoSteps)
	require.NoError(t, err)
	var last job.Job
	for e := range events {
		last = e.Job
	}
	return last
}

// fleet is real workers without a wire between them and the scheduler.
type fleet struct{ workers []*worker.Worker }

func newFleet(t *testing.T, p []float64, delay time.Duration) *fleet {
	roots, err := confine.NewRoots(t.TempDir())
	require.NoError(t, err)
	f := &fleet{}
	for i, probability := range p {
		gate, err := admission.New("probability", admission.Config{Probability: probability, Delay: delay, Seed: uint64(i + 1)})
		require.NoError(t, err)
		w, err := worker.New(worker.Config{Node: f.ID(i), Slots: 64}, roots, gate, instant{}, quiet())
		require.NoError(t, err)
		f.workers = append(f.workers, w)
	}
	return f
}

func (f *fleet) Len() int                                           { return len(f.workers) }
func (f *fleet) ID(i int) job.NodeID                                { return job.NodeID(fmt.Sprintf("node_%d", i)) }
func (f *fleet) Operations() []job.OperationInfo                    { return nil }
func (f *fleet) Trouble() string                                    { return "no node answers" }
func (f *fleet) Probe(ctx context.Context, i int) (job.Load, error) { return f.workers[i].Probe(ctx) }

func (f *fleet) Execute(ctx context.Context, i int, task job.Task) (job.Result, error) {
	res, err := f.workers[i].Execute(ctx, task)
	res.Node = f.ID(i)
	return res, err
}

// instant does every operation at once.
type instant struct{}

func (instant) Do(context.Context, operation.Request) (operation.Reply, error) {
	return operation.Reply{}, nil
}

// opener opens sources of n names.
func opener(n int) scheduler.Opener {
	return func(string, job.Operation) (scheduler.Source, error) { return names(n), nil }
}

// names is a source without a disk.
type names int

func (n names) Base() string                                { return "/nowhere" }
func (n names) Clean(context.Context, string) (int, error)  { return 0, nil }
func (n names) Splits() []job.Step                          { return nil }
func (n names) Close() error                                { return nil }
func (n names) Count(context.Context) (int64, int64, error) { return int64(n), 0, nil }
func (n names) Inputs(_ context.Context, yield func(string) bool) error {
	for i := range int(n) {
		if !yield(fmt.Sprintf("p%d.png", i)) {
			break
		}
	}
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/confine"
	"spillway/job"
)

// runnerFunc is a Runner.
type runnerFunc func(context.Context, operation.Request) (operation.Reply, error)

func (f runnerFunc) Do(ctx context.Context, r operation.Request) (operation.Reply, error) {
	return f(ctx, r)
}

// takes is a runner that works for d, heeding its context.
func takes(d time.Duration) runnerFunc {
	return func(ctx context.Context, _ operation.Request) (operation.Reply, error) {
		select {
		case <-time.After(d):
			return operation.Reply{Run: d}, nil
		case <-ctx.Done():
			return operation.Reply{}, ctx.Err()
		}
	}
}

// writes is a runner that writes its output under the temporary name, as an
// executor does, and then ends with what then gives.
func writes(base string, then func(context.Context) error) runnerFunc {
	return func(ctx context.Context, r operation.Request) (operation.Reply, error) {
		temp := operation.TempName(r.Name, r.Token)
		if err := os.WriteFile(filepath.Join(base, job.OutputDir, temp), []byte("pixels"), 0o600); err != nil {
			return operation.Reply{}, err
		}
		return operation.Reply{Outputs: []operation.Output{{Temp: temp, Name: r.Name}}}, then(ctx)
	}
}

// script answers arrivals in order, then admits; it keeps what it is told.
type script struct {
	decisions []admission.Decision
	arrivals  []admission.Arrival
	samples   []admission.Sample
}

func (s *script) Decide(_ time.Time, a admission.Arrival) admission.Decision {
	s.arrivals = append(s.arrivals, a)
	if len(s.decisions) == 0 {
		return admission.Decision{}
	}
	d := s.decisions[0]
	s.decisions = s.decisions[1:]
	return d
}

func (s *script) Observe(_ time.Time, sample admission.Sample) { s.samples = append(s.samples, sample) }

// newWorker makes a worker on a folder of its own.
func newWorker(t *testing.T, cfg Config, c admission.Controller, run func(base string) Runner) (*Worker, string) {
	t.Helper()
	base := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(base, job.OutputDir), 0o755))
	roots, err := confine.NewRoots(base)
	require.NoError(t, err)
	cfg.Node = "node_0"
	w, err := New(cfg, roots, c, run(base), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return w, base
}

func just(r Runner) func(string) Runner { return func(string) Runner { return r } }

// loadOf is the load without the times of each operation and the estimate.
func loadOf(t *testing.T, w *Worker) job.Load {
	t.Helper()
	load, err := w.Probe(t.Context())
	require.NoError(t, err)
	load.Operations, load.Latency = nil, 0
	return load
}

// left are the files in output_dir.
func left(t *testing.T, base string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(base, job.OutputDir))
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWorker_DelayHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &script{decisions: []admission.Decision{{Delay: 3 * time.Second}}}
		w, base := newWorker(t, Config{Slots: 1}, c, just(takes(time.Second)))
		task := job.Task{Base: base, Name: "a.jpg"}
		start := time.Now()
		var delayed job.Result
		var wg sync.WaitGroup
		wg.Go(func() {
			var err error
			delayed, err = w.Execute(t.Context(), task)
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		require.Equal(t, job.Load{Slots: 1, Delayed: 1}, loadOf(t, w))
		got, err := w.Execute(t.Context(), task)
		require.NoError(t, err)
		require.False(t, got.Delayed)
		require.Equal(t, time.Second, time.Since(start), "the other task had the slot")
		wg.Wait()
		require.True(t, delayed.Delayed)
		require.Equal(t, job.NodeID("node_0"), delayed.Node)
		require.Equal(t, time.Second, delayed.Run)
		require.Zero(t, delayed.Queued, "the delay does not count as waiting")
		require.Equal(t, 4*time.Second, time.Since(start))
		require.Equal(t, job.Load{Slots: 1, Mean: time.Second, Latency: 500 * time.Millisecond}, delayed.Load)
	})
}

func TestWorker_AtMostSlotsRunAndOthersQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &script{}
		w, base := newWorker(t, Config{Slots: 2}, c, just(takes(time.Second)))
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg"})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		require.Equal(t, job.Load{Slots: 2, Running: 2, Queued: 8}, loadOf(t, w))
		wg.Wait()
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, job.Load{Slots: 2, Mean: time.Second}, loadOf(t, w))
		require.Len(t, c.samples, 10)
		require.Equal(t, admission.Sample{Queued: 4 * time.Second, Run: time.Second}, c.samples[9])
	})
}

func TestWorker_RejectionCarriesReasonAndLoad(t *testing.T) {
	c := &script{decisions: []admission.Decision{{Reject: true, Reason: "busy", RetryAfter: time.Second}}}
	ran := false
	w, base := newWorker(t, Config{Slots: 3}, c, just(runnerFunc(func(context.Context, operation.Request) (operation.Reply, error) {
		ran = true
		return operation.Reply{}, nil
	})))
	_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", MayReject: true})
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	require.EqualError(t, err, "node_0 rejected the task: busy")
	require.Equal(t, time.Second, job.AsError(err).RetryAfter)
	require.Equal(t, job.Load{Slots: 3}, *job.AsError(err).Load)
	require.False(t, ran, "a rejected task is untouched")
	require.Equal(t, job.Load{Slots: 3}, loadOf(t, w))
	require.Empty(t, c.samples, "only admitted tasks are observed")
}

func TestWorker_DeadlineEndsTaskAtOnceWhereItCannotBeMet(t *testing.T) {
	tests := []struct {
		name     string
		decision admission.Decision
		deadline time.Duration // from now
		after    time.Duration // when the answer comes
		want     string
	}{
		{"already past", admission.Decision{}, -time.Second, 0, "the deadline was over when the task arrived"},
		{"past, though rejected", admission.Decision{Reject: true}, -time.Second, 0, "the deadline was over"},
		{"within the delay", admission.Decision{Delay: 3 * time.Second}, 2 * time.Second, 0, "the deadline ends within the injected delay of 3s"},
		{"while it runs", admission.Decision{}, 2 * time.Second, 2 * time.Second, "context deadline exceeded"},
		{"after the delay, while it runs", admission.Decision{Delay: time.Second}, 2 * time.Second, 2 * time.Second, "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &script{decisions: []admission.Decision{tt.decision}}
				w, base := newWorker(t, Config{Slots: 1}, c, just(takes(time.Hour)))
				start := time.Now()
				_, err := w.Execute(t.Context(), job.Task{
					Base: base, Name: "a.jpg", MayReject: true, Deadline: start.Add(tt.deadline),
				})
				require.Equal(t, job.DeadlineExceeded, job.CodeOf(err), err)
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, tt.after, time.Since(start))
				require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
				require.Len(t, c.arrivals, 1, "its draws are spent")
			})
		})
	}
}

func TestWorker_CancelledTaskLeavesWhereverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &script{decisions: []admission.Decision{{}, {}, {Delay: time.Hour}}}
		w, base := newWorker(t, Config{Slots: 1}, c, just(takes(time.Hour)))
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := w.Execute(ctx, job.Task{Base: base, Name: "a.jpg"})
				errs <- err
			}()
			synctest.Wait()
		}
		require.Equal(t, job.Load{Slots: 1, Running: 1, Queued: 1, Delayed: 1}, loadOf(t, w))
		cancel()
		for range 3 {
			require.Equal(t, job.CancelledCode, job.CodeOf(<-errs))
		}
		require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
		require.Len(t, c.samples, 3)
	})
}

func TestWorker_WaitingIsBoundedForTasksThatMayBeRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, base := newWorker(t, Config{Slots: 1, Waiting: 2}, &script{}, just(takes(time.Second)))
		var wg sync.WaitGroup
		execute := func(mayReject bool) {
			wg.Go(func() {
				if _, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", MayReject: mayReject}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 3 {
			execute(true)
		}
		_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", MayReject: true})
		require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
		require.ErrorContains(t, err, "2 tasks wait already")
		execute(false)
		require.Equal(t, job.Load{Slots: 1, Running: 1, Queued: 3}, loadOf(t, w))
		wg.Wait()
	})
}

func TestWorker_OutputGetsItsNameOnlyWhenAllWentWell(t *testing.T) {
	boom := job.E(job.Internal, "", errors.New("its process died"), "")
	cancelled, cancel := context.WithCancel(t.Context())
	tests := []struct {
		name string
		ctx  context.Context
		then func(context.Context) error
		left []string
		code job.Code
	}{
		{"done", t.Context(), func(context.Context) error { return nil }, []string{"a.png"}, ""},
		{"broken", t.Context(), func(context.Context) error { return boom }, []string{}, job.Internal},
		{"cancelled, though done", cancelled, func(context.Context) error { cancel(); return nil }, []string{}, job.CancelledCode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, base := newWorker(t, Config{Slots: 1}, &script{}, func(base string) Runner { return writes(base, tt.then) })
			_, err := w.Execute(tt.ctx, job.Task{Base: base, Name: "a.png"})
			if tt.code == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, tt.code, job.CodeOf(err))
			}
			require.Equal(t, tt.left, left(t, base))
		})
	}
}

func TestWorker_OutputThatCannotGetItsNameIsTakenBack(t *testing.T) {
	w, base := newWorker(t, Config{Slots: 1}, &script{}, func(base string) Runner {
		return writes(base, func(context.Context) error { return nil })
	})
	require.NoError(t, os.Mkdir(filepath.Join(base, job.OutputDir, "a.png"), 0o755))
	_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.png"})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Equal(t, []string{"a.png"}, left(t, base))
}

func TestWorker_RunnerThatPanicsKeepsNoSlot(t *testing.T) {
	w, base := newWorker(t, Config{Slots: 1}, &script{}, just(runnerFunc(func(context.Context, operation.Request) (operation.Reply, error) {
		panic("a bug")
	})))
	for range 3 {
		require.Panics(t, func() { _, _ = w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg"}) })
	}
	require.Equal(t, job.Load{Slots: 1}, loadOf(t, w))
}

func TestWorker_EveryAttemptHasItsOwnToken(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	run := runnerFunc(func(_ context.Context, r operation.Request) (operation.Reply, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Token] = true
		return operation.Reply{}, nil
	})
	for range 2 { // two nodes on the same folder
		w, base := newWorker(t, Config{}, &script{}, just(run))
		for range 100 {
			_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg"})
			require.NoError(t, err)
		}
	}
	require.Len(t, seen, 200)
}

func TestWorker_LoadStaysTruthfulInACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control, err := admission.New("probability", admission.Config{Probability: .3, Delay: 3 * time.Second, Seed: 1})
		require.NoError(t, err)
		w, base := newWorker(t, Config{Slots: 4}, control, just(takes(10*time.Millisecond)))
		var wg sync.WaitGroup
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 2000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(8000))*time.Millisecond)
			wg.Go(func() {
				defer cancel()
				_, err := w.Execute(ctx, job.Task{Base: base, Name: "a.jpg", MayReject: i%2 == 0})
				switch job.CodeOf(err) {
				case job.ResourceExhausted, job.DeadlineExceeded:
				default:
					if err != nil {
						t.Error(err)
					}
				}
				load, _ := w.Probe(ctx)
				if load.Running < 0 || load.Running > 4 || load.Queued < 0 || load.Delayed < 0 {
					t.Errorf("load %+v", load)
				}
			})
		}
		wg.Wait()
		require.Equal(t, job.Load{Slots: 4, Mean: 10 * time.Millisecond}, loadOf(t, w))
	})
}

func TestWorker_ProfileNamesItsOperations(t *testing.T) {
	w, _ := newWorker(t, Config{Slots: 5}, &script{}, just(takes(0)))
	p := w.Profile()
	require.Equal(t, job.NodeID("node_0"), p.Node)
	require.Equal(t, 5, p.Slots)
	require.Equal(t, operation.Infos(), p.Operations)
}

func TestConfig_Validate(t *testing.T) {
	require.NoError(t, Config{Node: "node_0"}.Validate())
	for name, c := range map[string]Config{
		"no name": {}, "negative slots": {Node: "n", Slots: -1}, "too many slots": {Node: "n", Slots: 5000},
		"negative waiting": {Node: "n", Waiting: -1},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, job.InvalidArgument, job.CodeOf(c.Validate()))
			_, err := New(c, confine.Roots{}, &script{}, takes(0), slog.New(slog.DiscardHandler))
			require.Error(t, err)
		})
	}
}

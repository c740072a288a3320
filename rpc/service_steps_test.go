package rpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// someSteps are two about an input, and tasks that have ended behind them.
func someSteps(tasks int64) []job.Step {
	steps := []job.Step{
		{Number: 1, Kind: job.SplitStep, At: time.UnixMicro(7).UTC(), Name: "a.avi", Parts: 2, Took: time.Second},
		{Number: 2, Kind: job.JoinedStep, Name: "b.avi", Err: job.E(job.DataLoss, "join b.avi", errors.New("torn"), "mend it")},
	}
	for n := range tasks {
		steps = append(steps, job.Step{Number: 3 + n, Kind: job.TaskStep, Name: "a.avi", State: job.TaskDone, Ended: n + 1, Node: "node_0", Attempts: 1})
	}
	return steps
}

// finish ends a task of the job.
func (s *fakeService) finish(id job.ID) {
	s.change(id, func(j *job.Job) {
		j.Done++
		s.steps = someSteps(j.Done)
	})
}

func TestWatch_StepsAreTheSameNearAndFar(t *testing.T) {
	for name, after := range map[string]int64{"from the beginning": job.AllSteps, "from a step on": 3, "none": job.NoSteps} {
		t.Run(name, func(t *testing.T) {
			s := newFakeService(job.Running)
			overServicePipe(t, s, quietLog(), func(t *testing.T, far *ServiceConn, _ *pipeListener) {
				_, err := far.Submit(t.Context(), aSpec)
				require.NoError(t, err)
				for range 3 {
					s.finish("job-1")
				}
				s.steps = s.steps[:len(s.steps)-1] // one task is too long ago
				var got [2]job.Event
				for i, service := range []job.Service{s, far} {
					ctx, cancel := context.WithCancel(t.Context())
					events, err := service.Watch(ctx, "job-1", after)
					require.NoError(t, err)
					got[i] = <-events
					cancel()
				}
				for i := range got { // an error crosses as text
					for n := range got[i].Steps {
						if e := got[i].Steps[n].Err; e != nil {
							got[i].Steps[n].Err = job.E(e.Code, "", errors.New(e.Error()), e.Hint)
						}
					}
				}
				require.Equal(t, got[0].Steps, got[1].Steps)
				require.Equal(t, got[0].Skipped, got[1].Skipped)
				require.Equal(t, after == job.AllSteps, got[1].Skipped == 1)
			})
		})
	}
}

func TestWatch_EveryStepComesOnceHoweverFastOrSlow(t *testing.T) {
	for name, pause := range map[string]time.Duration{"listens": 0, "is slow": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			s := newFakeService(job.Running)
			overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
				_, err := c.Submit(t.Context(), aSpec)
				require.NoError(t, err)
				events, err := c.Watch(t.Context(), "job-1", job.AllSteps)
				require.NoError(t, err)
				const n = 200
				go func() {
					for range n {
						time.Sleep(70 * time.Millisecond)
						s.finish("job-1")
					}
					time.Sleep(2 * time.Minute) // some polls end without a change
					s.change("job-1", func(j *job.Job) { j.State = job.Succeeded })
				}()
				var steps []job.Step
				for e := range events {
					require.Zero(t, e.Skipped)
					steps = append(steps, e.Steps...)
					time.Sleep(pause)
				}
				require.Len(t, steps, n+2)
				for i, st := range steps {
					require.EqualValues(t, i+1, st.Number)
				}
			})
		})
	}
}

func TestWatch_WhoNeverListensHearsHowMuchItMissed(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		events, err := c.Watch(t.Context(), "job-1", job.AllSteps)
		require.NoError(t, err)
		const n = 5 * job.MaxSteps
		for range n {
			time.Sleep(100 * time.Millisecond)
			s.finish("job-1")
		}
		s.change("job-1", func(j *job.Job) { j.State = job.Failed })
		time.Sleep(time.Second)
		synctest.Wait() // the last answer has come
		e := <-events
		require.Equal(t, job.Failed, e.Job.State)
		require.Len(t, e.Steps, 2*job.MaxSteps, "bounded")
		require.EqualValues(t, n-2*job.MaxSteps, e.Skipped)
	})
}

// oldWait is wait as callers send it that know of no steps.
type oldWait struct{ thrift.TStruct }

func (oldWait) Write(ctx context.Context, p thrift.TProtocol) error {
	return errors.Join(
		p.WriteFieldBegin(ctx, "id", thrift.STRING, 1), p.WriteString(ctx, "job-1"),
		p.WriteFieldBegin(ctx, "seen", thrift.I64, 2), p.WriteI64(ctx, 0),
		p.WriteFieldBegin(ctx, "timeout_ms", thrift.I64, 3), p.WriteI64(ctx, 1000),
		p.WriteFieldStop(ctx))
}

func TestWait_AnOldCallerGetsTheJobWithoutSteps(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, l *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		s.finish("job-1")
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		var got spillway.ServerWaitResult
		_, err = libraryClient(nc).Call(t.Context(), "wait", oldWait{}, &got)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Success.Done)
		require.Nil(t, got.Success.Steps)
	})
}

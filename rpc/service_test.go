package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// overServicePipe runs a test in a bubble: a server behind an in-memory
// listener, and a connection to it.
func overServicePipe(t *testing.T, s *fakeService, log *slog.Logger, test func(t *testing.T, c *ServiceConn, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		s.makeChannels() // within the bubble, whose clock waits for no others
		l := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ServeService(ctx, l, s, log) }()
		c := newServiceConn("h:1", NodeConnConfig{Dial: l.dial})
		test(t, c, l)
		require.NoError(t, c.Close())
		cancel()
		require.NoError(t, <-done)
	})
}

var aSpec = job.Spec{
	ID: "job-1", Source: "/data", Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}},
	Policy: "balance", Deadline: time.Minute,
}

func TestServiceConn_IsAServiceLikeTheServerItself(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		require.NoError(t, c.Ping(t.Context()))
		id, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		require.Equal(t, aSpec.ID, id)
		require.Equal(t, aSpec, <-s.submitted)

		j, err := c.Job(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, aSpec, j.Spec)
		jobs, err := c.Jobs(t.Context(), job.Filter{})
		require.NoError(t, err)
		require.Equal(t, []job.Job{j}, jobs)
		nodes, err := c.Nodes(t.Context())
		require.NoError(t, err)
		near, _ := s.Nodes(t.Context())
		require.Equal(t, near, nodes)
		require.NoError(t, c.Cancel(t.Context(), id))
		require.Equal(t, id, <-s.cancelled)

		_, err = c.Job(t.Context(), "other")
		require.Equal(t, job.NotFound, job.CodeOf(err))
		require.Equal(t, "job other: no such job; see bin/client jobs", job.Describe(err))
		_, err = c.Watch(t.Context(), "other", job.NoSteps)
		require.Equal(t, job.NotFound, job.CodeOf(err))
	})
}

func TestServiceConn_RunReturnsTheServersText(t *testing.T) {
	for name, row := range map[string]struct {
		begin   job.State
		end     func(*job.Job)
		refuse  error
		elapsed string
		code    job.Code
		says    string
	}{
		"every task done": {begin: job.Succeeded, elapsed: "3.0042"},
		"some tasks failed": {
			begin: job.Failed, elapsed: "3.0042",
			end: func(j *job.Job) { j.Failed = 2; j.Failures = []job.Failure{{Name: "a"}} },
		},
		"ended early": {
			begin: job.Failed, code: job.DeadlineExceeded, says: "4 tasks are not done; give it longer",
			end: func(j *job.Job) {
				j.Err = job.E(job.DeadlineExceeded, "", errors.New("4 tasks are not done"), "give it longer")
			},
		},
		"cancelled": {begin: job.Cancelled, code: job.CancelledCode, says: "job job-1: it was cancelled"},
		"refused": {
			refuse: job.E(job.PermissionDenied, "source /etc", errors.New("outside every root"), "start the server with --root /etc"),
			code:   job.PermissionDenied, says: "source /etc: outside every root; start the server with --root /etc",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeService(row.begin)
			s.refuse, s.end = row.refuse, row.end
			overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
				elapsed, err := c.Run(t.Context(), aSpec, true)
				if row.code == "" {
					require.NoError(t, err)
					require.Equal(t, row.elapsed, elapsed)
					return
				}
				require.Equal(t, row.code, job.CodeOf(err))
				require.Equal(t, row.says, job.Describe(err))
			})
		})
	}
}

func TestServiceConn_RunLeavesThePolicyToTheServerUnlessTold(t *testing.T) {
	s := newFakeService(job.Succeeded)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		for _, row := range []struct {
			given    string
			isRandom bool
			want     string
		}{{"", true, "random"}, {"", false, ""}, {"random", false, "random"}} {
			_, err := c.Run(t.Context(), job.Spec{Source: "/d", Policy: row.given}, row.isRandom)
			require.NoError(t, err)
			require.Equal(t, row.want, (<-s.submitted).Policy)
		}
	})
}

func TestSubmitRequest_CallerThatLeavesCancelsOnlyAJobWithoutAnID(t *testing.T) {
	for name, row := range map[string]struct {
		id     job.ID
		cancel bool
		logs   string
	}{
		"with an ID":    {"job-1", false, "the job goes on"},
		"without an ID": {"", true, "the job is cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := newFakeService(job.Running), &logBuffer{}
			overServicePipe(t, s, slog.New(slog.NewTextHandler(log, nil)), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
				ctx, leave := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() {
					_, err := c.Run(ctx, job.Spec{ID: row.id, Source: "/d"}, true)
					done <- err
				}()
				id := (<-s.submitted).ID
				time.Sleep(time.Hour)
				leave()
				require.Equal(t, job.CancelledCode, job.CodeOf(<-done))
				synctest.Wait()
				require.Contains(t, log.String(), row.logs)
				j, err := c.Job(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, row.cancel, j.State == job.Cancelled)
			})
		})
	}
}

// assignmentArgs are those of submit_request as the assignment's clients send
// them: no spec.
type assignmentArgs struct{ thrift.TStruct }

func (assignmentArgs) Write(ctx context.Context, p thrift.TProtocol) error {
	return errors.Join(
		p.WriteFieldBegin(ctx, "source_folder", thrift.STRING, 1), p.WriteString(ctx, "/d"),
		p.WriteFieldBegin(ctx, "is_random", thrift.BOOL, 2), p.WriteBool(ctx, true),
		p.WriteFieldStop(ctx))
}

func TestSubmitRequest_AssignmentClientThatLeavesCancelsItsJob(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, _ *ServiceConn, l *pipeListener) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		_, err = nc.Write(callBytes(t, "submit_request", assignmentArgs{}))
		require.NoError(t, err)
		id := (<-s.submitted).ID
		time.Sleep(time.Minute)
		nc.Close()
		require.Equal(t, id, <-s.cancelled)
	})
}

func TestSubmitRequest_WithoutASpecTellsErrorsAsText(t *testing.T) {
	s := newFakeService(job.Failed)
	s.end = func(j *job.Job) { j.Err = job.E(job.NotFound, "/d/input_dir", errors.New("no pictures"), "add some") }
	overServicePipe(t, s, quietLog(), func(t *testing.T, _ *ServiceConn, l *pipeListener) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		_, err = libraryClient(nc).Call(t.Context(), "submit_request",
			assignmentArgs{}, &spillway.ServerSubmitRequestResult{})
		var x thrift.TApplicationException
		require.ErrorAs(t, err, &x)
		require.EqualError(t, x, "/d/input_dir: no pictures; add some")
	})
}

func TestSubmitRequest_SecondCallAttaches(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		done := make(chan string, 2)
		for range 2 {
			go func() {
				elapsed, err := c.Run(t.Context(), aSpec, true)
				if err != nil {
					elapsed = err.Error()
				}
				done <- elapsed
			}()
		}
		time.Sleep(2 * time.Second)
		s.change("job-1", func(j *job.Job) { j.State, j.Finished = job.Succeeded, time.Now() })
		require.Equal(t, "2.0000", <-done)
		require.Equal(t, "2.0000", <-done)
	})
}

func TestWait_ReturnsAtTheNextVersionOrWhenItsTimeIsUp(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		wait := func(seen int64, timeout time.Duration) (version int64, took time.Duration) {
			began := time.Now()
			var j *spillway.Job
			require.NoError(t, c.callFor(t.Context(), "wait", func(ctx context.Context, c *spillway.ServerClient) (err error) {
				j, err = c.Wait(ctx, "job-1", seen, timeout.Milliseconds(), job.NoSteps)
				return err
			}))
			return j.Version, time.Since(began)
		}
		for name, row := range map[string]struct {
			seen          int64
			timeout, took time.Duration
		}{
			"newer already": {0, time.Minute, 0},
			"time is up":    {1, 7 * time.Second, 7 * time.Second},
			"at most 60 s":  {1, time.Hour, time.Minute},
			"not at all":    {1, 0, 0},
			"negative":      {1, -time.Second, 0},
		} {
			version, took := wait(row.seen, row.timeout)
			require.EqualValues(t, 1, version, name)
			require.Equal(t, row.took, took, name)
		}
		time.AfterFunc(3*time.Second, func() { s.change("job-1", func(*job.Job) {}) })
		version, took := wait(1, time.Minute)
		require.EqualValues(t, 2, version)
		require.Equal(t, 3*time.Second, took)
	})
}

func TestWatch_ShowsThePresentStateThenChangesThenTheEnd(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		events, err := c.Watch(t.Context(), "job-1", job.NoSteps)
		require.NoError(t, err)
		require.EqualValues(t, 1, (<-events).Job.Version)
		time.Sleep(5 * time.Minute) // several long polls
		s.change("job-1", func(j *job.Job) { j.Done = 5 })
		require.EqualValues(t, 5, (<-events).Job.Done)

		stop := make(chan struct{})
		go func() { // 1000 changes a second
			defer close(stop)
			for range 10_000 {
				time.Sleep(time.Millisecond)
				s.change("job-1", func(j *job.Job) { j.Done++ })
			}
			s.change("job-1", func(j *job.Job) { j.State = job.Succeeded })
		}()
		seen, last := 0, job.Job{}
		for e := range events {
			seen++
			last = e.Job
		}
		<-stop
		require.LessOrEqual(t, seen, 102, "one poll every 100 ms")
		require.GreaterOrEqual(t, seen, 90)
		require.Equal(t, job.Succeeded, last.State)
		require.EqualValues(t, 10_005, last.Done)
	})
}

func TestWatch_SlowWatcherGetsTheLastState(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		events, err := c.Watch(t.Context(), "job-1", job.NoSteps)
		require.NoError(t, err)
		for range 50 {
			s.change("job-1", func(j *job.Job) { j.Done++ })
			time.Sleep(time.Second)
		}
		s.change("job-1", func(j *job.Job) { j.State = job.Failed })
		time.Sleep(time.Second)
		require.Equal(t, job.Failed, (<-events).Job.State)
		_, open := <-events
		require.False(t, open)
	})
}

// breakable is a server that can be taken away, with its connections.
type breakable struct {
	t    *testing.T
	s    Service
	l    atomic.Pointer[pipeListener]
	stop func()
}

func (b *breakable) up() {
	l := newPipeListener()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- ServerConfig{Grace: time.Nanosecond}.ServeService(ctx, l, b.s, quietLog()) }()
	b.l.Store(l)
	b.stop = func() {
		cancel()
		require.NoError(b.t, <-done)
	}
}

func (b *breakable) dial(ctx context.Context) (net.Conn, error) { return b.l.Load().dial(ctx) }

func TestServiceConn_OutlivesAServerThatComesBack(t *testing.T) {
	for name, row := range map[string]struct {
		away time.Duration
		ends bool
	}{"back after 8 s": {8 * time.Second, true}, "away for ever": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeService(job.Running)
				b := &breakable{t: t, s: s}
				b.up()
				c := newServiceConn("h:1", NodeConnConfig{Dial: b.dial})
				defer c.Close()
				ran := make(chan error, 1)
				go func() {
					_, err := c.Run(t.Context(), aSpec, true)
					ran <- err
				}()
				<-s.submitted
				events, err := c.Watch(t.Context(), "job-1", job.NoSteps)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				b.stop()
				time.Sleep(row.away)
				b.up()
				defer func() { b.stop() }()
				time.Sleep(time.Minute)
				s.change("job-1", func(j *job.Job) { j.State, j.Finished = job.Succeeded, time.Now() })
				var last job.Job
				for e := range events {
					last = e.Job
				}
				require.Equal(t, row.ends, last.State.Final())
				err = <-ran
				if row.ends {
					require.NoError(t, err)
				} else {
					require.Equal(t, job.Unavailable, job.CodeOf(err))
				}
			})
		})
	}
}

func TestServiceConn_CloseEndsItsWatchers(t *testing.T) {
	s := newFakeService(job.Running)
	overServicePipe(t, s, quietLog(), func(t *testing.T, c *ServiceConn, _ *pipeListener) {
		_, err := c.Submit(t.Context(), aSpec)
		require.NoError(t, err)
		events, err := c.Watch(t.Context(), "job-1", job.NoSteps)
		require.NoError(t, err)
		<-events
		time.Sleep(time.Second)
		began := time.Now()
		require.NoError(t, c.Close())
		_, open := <-events
		require.False(t, open)
		require.LessOrEqual(t, time.Since(began), pollEvery)
	})
}

func TestServiceConn_UnreachableServerSaysWhatToDo(t *testing.T) {
	l := loopback(t)
	addr := l.Addr().String()
	l.Close()
	c := NewServiceConn(addr, nil)
	defer c.Close()
	_, err := c.Run(soon(t), aSpec, true)
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorIs(t, err, job.ErrNotSent)
	require.ErrorContains(t, err, "server "+addr)
	require.Equal(t, "start it with bin/server, or name another with --server H:P", job.HintOf(err))
	_, err = c.Watch(soon(t), "x", job.NoSteps)
	require.ErrorIs(t, err, job.ErrNotSent)
}

func TestServiceConn_ServerOfTheAssignmentDoesNotKnowOurCalls(t *testing.T) {
	node := startPython(t, "simple", "ping,submit_request")
	c := NewServiceConn(node.addr, nil)
	defer c.Close()
	_, err := c.Nodes(soon(t))
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
}

package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// fakeNode is a Node made of functions; nil ones succeed.
type fakeNode struct {
	execute func(context.Context, job.Task) (job.Result, error)
	probe   func(context.Context) (job.Load, error)
	profile job.Profile
	log     []string
}

func (n fakeNode) Execute(ctx context.Context, t job.Task) (job.Result, error) {
	if n.execute == nil {
		return job.Result{Node: "node_0"}, nil
	}
	return n.execute(ctx, t)
}

func (n fakeNode) Probe(ctx context.Context) (job.Load, error) {
	if n.probe == nil {
		return job.Load{Slots: 2}, nil
	}
	return n.probe(ctx)
}

func (n fakeNode) Profile() job.Profile { return n.profile }

func (n fakeNode) Log(lines int) []string { return n.log[max(0, len(n.log)-lines):] }

// fakeService holds jobs that the test moves on.
type fakeService struct {
	mu        sync.Mutex
	jobs      map[job.ID]job.Job
	changed   chan struct{} // closed and replaced at each change
	submitted chan job.Spec
	cancelled chan job.ID
	refuse    error          // of Submit
	onSubmit  job.State      // the state that a job begins in
	end       func(*job.Job) // what a job looks like that begins in a final state

	steps []job.Step // of every job

	registered []job.Registration
	drains     []bool
}

func newFakeService(begin job.State) *fakeService {
	s := &fakeService{jobs: map[job.ID]job.Job{}, onSubmit: begin}
	s.makeChannels()
	return s
}

func (s *fakeService) makeChannels() {
	s.changed = make(chan struct{})
	s.submitted = make(chan job.Spec, 100)
	s.cancelled = make(chan job.ID, 100)
}

func (s *fakeService) Policy(isRandom bool) string {
	if isRandom {
		return "random"
	}
	return "balance"
}

func (s *fakeService) Nodes(context.Context) ([]job.Node, error) {
	return []job.Node{{ID: "node_0", Addr: "127.0.0.1:5001", State: job.Idle}}, nil
}

func (s *fakeService) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	if s.refuse != nil {
		return "", s.refuse
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.submitted <- spec
	if _, ok := s.jobs[spec.ID]; !ok {
		began := time.Now()
		j := job.Job{ID: spec.ID, Spec: spec, State: s.onSubmit, Version: 1, Created: began}
		if j.State.Final() {
			j.Finished = began.Add(3004200 * time.Microsecond)
			if s.end != nil {
				s.end(&j)
			}
		}
		s.jobs[spec.ID] = j
	}
	return spec.ID, nil
}

// change moves a job on.
func (s *fakeService) change(id job.ID, f func(*job.Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	j.Version++
	f(&j)
	s.jobs[id] = j
	close(s.changed)
	s.changed = make(chan struct{})
}

// since are the steps behind a number.
func (s *fakeService) since(after int64) (found []job.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.steps {
		if after != job.NoSteps && st.Number > after {
			found = append(found, st)
		}
	}
	return found
}

func (s *fakeService) look(id job.ID) (job.Job, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	if !ok {
		return j, nil, job.E(job.NotFound, "job "+string(id), errors.New("no such job"), "see bin/client jobs")
	}
	return j, s.changed, nil
}

func (s *fakeService) Job(_ context.Context, id job.ID) (job.Job, error) {
	j, _, err := s.look(id)
	return j, err
}

func (s *fakeService) Jobs(context.Context, job.Filter) ([]job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Job
	for _, j := range s.jobs {
		all = append(all, j)
	}
	return all, nil
}

func (s *fakeService) Cancel(_ context.Context, id job.ID) error {
	s.cancelled <- id
	s.change(id, func(j *job.Job) { j.State = job.Cancelled; j.Finished = time.Now() })
	return nil
}

func (s *fakeService) Watch(ctx context.Context, id job.ID, after int64) (<-chan job.Event, error) {
	if _, _, err := s.look(id); err != nil {
		return nil, err
	}
	events := make(chan job.Event) // no event is made before the one ahead of it is taken
	known := job.Known{After: after}
	go func() {
		defer close(events)
		for {
			j, changed, _ := s.look(id)
			select {
			case events <- known.Next(j, s.since(known.After)):
			case <-ctx.Done():
				return
			}
			if j.State.Final() {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

// logBuffer is a log that a test can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// gauge counts what goes on at once.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pipeListener hands out the far ends of in-memory connections.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// loopback listens on a free port until the test ends.
func loopback(t testing.TB) net.Listener {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// background runs serve until the returned stop, or until the test ends, and
// checks that it ends without an error.
func background(t testing.TB, serve func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// startNode serves n on loopback and returns its address.
func startNode(t testing.TB, cfg ServerConfig, n Node, log *slog.Logger) (addr string, stop func()) {
	l := loopback(t)
	return l.Addr().String(), background(t, func(ctx context.Context) error { return cfg.ServeNode(ctx, l, n, log) })
}

// startService serves s on loopback and returns its address.
func startService(t testing.TB, s Service, log *slog.Logger) (addr string, stop func()) {
	l := loopback(t)
	return l.Addr().String(), background(t, func(ctx context.Context) error { return ServeService(ctx, l, s, log) })
}

// connect makes a NodeConn that is closed at the end of the test.
func connect(t testing.TB, addr string, cfg NodeConnConfig) *NodeConn {
	n := NewNodeConn(addr, cfg)
	t.Cleanup(func() { n.Close() })
	return n
}

// soon bounds a test that would otherwise hang.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var aTask = job.Task{
	Job: "j", Index: 3, Attempt: 1, Base: "/data", Name: "a b.jpg",
	Operation: job.Operation{Name: "edges"}, MayReject: true,
}

func (s *fakeService) Tasks(_ context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	if _, err := s.Job(context.Background(), id); err != nil {
		return nil, err
	}
	return []job.TaskInfo{someTask(f)}, nil
}

// someTask is a task with everything set, and what was asked for it.
func someTask(f job.TaskFilter) job.TaskInfo {
	return job.TaskInfo{Index: f.After + 1, Name: fmt.Sprint(f.States, f.Limit), State: job.TaskFailed, Attempts: []job.Attempt{
		{
			Number: 2, Node: "node_1", Sent: time.UnixMicro(1).UTC(), Delayed: true, Queued: time.Second, Run: time.Minute, Took: time.Hour,
			Err: job.E(job.DataLoss, "", errors.New("torn"), "mend it"),
		},
	}}
}

func (s *fakeService) Retry(_ context.Context, id job.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[id]; !j.State.Final() {
		return job.E(job.FailedPrecondition, "", errors.New("it has not ended"), "wait")
	}
	return nil
}

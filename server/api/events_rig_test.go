package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// stage is a job.Service with one job, j, that tests move.
type stage struct {
	job.Service
	mu      sync.Mutex
	job     job.Job
	number  int64
	watches int // begun
	open    int // not ended
	out     map[chan job.Event]struct{}
	lost    chan struct{} // closed when the service is
}

func newStage() *stage {
	return &stage{
		job: job.Job{ID: "j", State: job.Running, Total: 100, Created: time.Now()},
		out: map[chan job.Event]struct{}{}, lost: make(chan struct{}),
	}
}

func unknown(id job.ID) error {
	return job.E(job.NotFound, "job "+string(id), errors.New("there is none"), "GET /jobs lists them")
}

func (s *stage) Job(_ context.Context, id job.ID) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != s.job.ID {
		return job.Job{}, unknown(id)
	}
	return s.job, nil
}

func (s *stage) Jobs(_ context.Context, f job.Filter) ([]job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.States) > 0 && s.job.State.Final() {
		return nil, nil
	}
	return []job.Job{s.job}, nil
}

func (s *stage) Watch(ctx context.Context, id job.ID, _ int64) (<-chan job.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != s.job.ID {
		return nil, unknown(id)
	}
	s.watches++
	s.open++
	in, out := make(chan job.Event, 10_000), make(chan job.Event)
	in <- job.Event{Job: s.job}
	s.out[in] = struct{}{}
	go func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.out, in)
			s.open--
			close(out)
		}()
		for {
			select {
			case e := <-in:
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
				if e.Job.State.Final() {
					return
				}
			case <-ctx.Done():
				return
			case <-s.lost:
				return
			}
		}
	}()
	return out, nil
}

// done ends n tasks of the job; the last of all ends it.
func (s *stage) done(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.number++
		s.job.Done++
		s.job.Version++
		if s.job.Done == s.job.Total {
			s.job.State = job.Succeeded
		}
		st := job.Step{Number: s.number, Kind: job.TaskStep, Name: "a.jpg", State: job.TaskDone, Ended: s.job.Done, Node: "node_0"}
		for out := range s.out {
			out <- job.Event{Job: s.job, Steps: []job.Step{st}}
		}
	}
}

// counts are the watches that were begun, and those that have not ended.
func (s *stage) counts() (begun, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches, s.open
}

// told is one event as a listener got it.
type told struct{ id, kind, data string }

// ear is the far end of a stream, in memory.
type ear struct {
	header http.Header
	leave  context.CancelFunc
	over   chan struct{} // closed when the stream has ended

	mu       sync.Mutex
	status   int
	text     strings.Builder
	deaf     chan struct{} // nil: it takes what comes; closed: it does so again
	deadline time.Time
}

// hear opens a stream of events.
func hear(t *testing.T, h http.Handler, token, path, last string) *ear {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	e := &ear{header: http.Header{}, leave: leave, over: make(chan struct{}), status: http.StatusOK}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	go func() {
		defer close(e.over)
		h.ServeHTTP(e, r)
	}()
	return e
}

func (e *ear) Header() http.Header { return e.header }
func (e *ear) Flush()              {}

func (e *ear) WriteHeader(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

func (e *ear) SetWriteDeadline(at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline = at
	return nil
}

func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if deaf := e.deaf; deaf != nil {
		left := time.Until(e.deadline)
		e.mu.Unlock()
		select {
		case <-deaf:
			e.mu.Lock()
		case <-time.After(left):
			e.mu.Lock()
			return 0, os.ErrDeadlineExceeded
		}
	}
	return e.text.Write(b)
}

// block has the listener take nothing until release.
func (e *ear) block() (release func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	deaf := make(chan struct{})
	e.deaf = deaf
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.deaf = nil
		close(deaf)
	}
}

func (e *ear) raw() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// events are those that came until now.
func (e *ear) events() []told { return parse(e.raw()) }

// parse reads events as a browser does.
func parse(text string) (all []told) {
	for block := range strings.SplitSeq(text, "\n\n") {
		var one told
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "id":
				one.id = value
			case "event":
				one.kind = value
			case "data":
				one.data += value
			}
		}
		if one.kind != "" {
			all = append(all, one)
		}
	}
	return all
}

// kinds are the words of some events.
func kinds(all []told) (words []string) {
	for _, e := range all {
		words = append(words, e.kind)
	}
	return words
}

// ended waits for the end of the stream.
func (e *ear) ended(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-e.over:
	default:
		require.Fail(t, "the stream goes on", e.raw())
	}
}

// goesOn checks that the stream has not ended.
func (e *ear) goesOn(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case <-e.over:
		require.Fail(t, "the stream has ended", e.raw())
	default:
	}
}

// after lets so much time pass, and all that is due then happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// staged runs a test with an API over a stage, in a bubble.
func staged(t *testing.T, test func(t *testing.T, a *API, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cfg := config()
		cfg.Service = s
		a := New(cfg)
		defer a.events.close()
		test(t, a, s)
	})
}

// listenLoopback listens on a free port.
func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// readAll is what comes until the peer ends.
func readAll(r io.Reader) string {
	b, _ := io.ReadAll(r) // what came until then counts
	return string(b)
}

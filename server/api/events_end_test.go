package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestEvents_TheServersStopEndsThem(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		close(a.stopping)
		e.ended(t)
		a.events.close()
		_, open := s.counts()
		require.Zero(t, open)
		require.Equal(t, 503, ask(t, a, "viewer", http.MethodGet, jobPath, "").Code)
	})
}

func TestEvents_AServiceThatIsLostEndsThemWithoutAnEnd(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		close(s.lost)
		e.ended(t)
		require.Equal(t, []string{"state"}, kinds(e.events()))
	})
}

// mortal is an account whose token dies.
type mortal struct {
	Accounts
	dead atomic.Pointer[error]
}

func (m *mortal) Principal(ctx context.Context, token string) (job.Principal, error) {
	if err := m.dead.Load(); err != nil {
		return job.Principal{}, *err
	}
	return holders{}.Principal(ctx, token)
}

func TestEvents_ATokenThatDiesEndsItsStreams(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		ends bool
	}{
		{"logged out", job.E(job.Unauthenticated, "", errors.New("the token is not valid"), ""), true},
		{"the store fails for a moment", job.E(job.Unavailable, "", errors.New("away"), ""), false},
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprint(row.name, " busy ", busy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg, m, s := config(), &mortal{}, newStage()
					s.job.Total = 1 << 20
					cfg.Service, cfg.Accounts = s, m
					a := New(cfg)
					defer a.events.close()
					e := hear(t, a, "viewer", jobPath, "")
					after(time.Second)
					m.dead.Store(&row.err)
					for range int(heartbeat / (100 * time.Millisecond)) {
						if busy {
							s.done(1)
						}
						after(100 * time.Millisecond)
					}
					if !row.ends {
						e.goesOn(t)
						return
					}
					e.ended(t)
					require.Contains(t, e.raw(), ": the token is not valid any more")
				})
			})
		}
	}
}

func TestEvents_WhoHasHeardTheEndIsToldThatThereIsNoMore(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		s.done(100)
		e := hear(t, a, "viewer", jobPath, "")
		e.ended(t)
		require.Equal(t, []string{"end"}, kinds(e.events()))
		again := hear(t, a, "viewer", jobPath, e.events()[0].id)
		again.ended(t)
		require.Equal(t, http.StatusNoContent, again.status)
		s.job.State = job.Running // retried
		third := hear(t, a, "viewer", jobPath, e.events()[0].id)
		after(time.Second)
		third.goesOn(t)
		require.Equal(t, []string{"reset", "state"}, kinds(third.events()))
	})
}

func TestEvents_AreRefusedWithTheReason(t *testing.T) {
	cfg := config()
	cfg.Service, cfg.Lines = newStage(), NewLogRing(0)
	a := New(cfg)
	t.Cleanup(a.events.close)
	for _, row := range []struct {
		name, token, path, last string
		status                  int
	}{
		{"no token", "", jobPath, "", 401},
		{"no such job", "viewer", "/jobs/x/events", "", 404},
		{"no such job, heard to its end", "viewer", "/jobs/x/events", "a-1-end", 404},
		{"hostile job", "viewer", "/jobs/..%2f..%2fetc/events", "", 404},
		{"the log is the admin's", "operator", "/log/events", "", 403},
		{"scope", "metrics", "/nodes/events", "", 403},
		{"id", "viewer", jobPath, "x", 400},
		{"id too long", "viewer", jobPath, "a-" + strings.Repeat("1", 100), 400},
		{"id with a negative number", "viewer", jobPath, "a--1", 400},
		{"id with a great number", "viewer", jobPath, "a-9223372036854775808", 400},
		{"id with another end", "viewer", jobPath, "a-1-x", 400},
		{"id with more behind", "viewer", jobPath, "a-1-end-1", 400},
		{"id with bytes", "viewer", jobPath, "\x00-1", 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := row.path
			if row.last != "" {
				path += "?last_event_id=" + strings.ReplaceAll(row.last, "\x00", "%00")
			}
			w := ask(t, a, row.token, http.MethodGet, path, "")
			require.Equal(t, row.status, w.Code, w.Body.String())
			problem(t, w)
		})
	}
}

func TestEvents_OverARealConnectionEndWithTheServer(t *testing.T) {
	cfg := config()
	s := newStage()
	cfg.Service = s
	a := New(cfg)
	l := listenLoopback(t)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = a.Serve(ctx, l) })
	var client http.Client
	const many = 100
	streams := make(chan string, many)
	for range many {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+jobPath, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer viewer")
		answer, err := client.Do(r)
		require.NoError(t, err)
		all.Go(func() {
			defer answer.Body.Close()
			streams <- readAll(answer.Body)
		})
	}
	s.done(1)
	stop()
	all.Wait()
	for range many {
		require.Equal(t, "state", parse(<-streams)[0].kind)
	}
}

func TestEvents_OfWhatThereIsNotAreNotOffered(t *testing.T) {
	a := New(config())
	for _, path := range []string{"/jobs/events", "/jobs/x/events", "/nodes/events", "/log/events"} {
		require.Equal(t, http.StatusNotFound, ask(t, a, "admin", http.MethodGet, path, "").Code, path)
	}
}

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/view"
)

const jobPath = "/jobs/j/events"

func TestEvents_AJobIsToldToItsEnd(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		require.Equal(t, "text/event-stream", e.Header().Get("Content-Type"))
		require.True(t, strings.HasPrefix(e.raw(), "retry: 3000\n\n"), e.raw())
		require.Equal(t, []string{"state"}, kinds(e.events()))
		s.done(2)
		after(time.Second)
		s.done(98)
		after(time.Minute)
		e.ended(t)
		all := e.events()
		require.Equal(t, 1+100, strings.Count(strings.Join(kinds(all), " "), "task")+strings.Count(strings.Join(kinds(all), " "), "state"))
		require.Contains(t, kinds(all), "progress")
		last := all[len(all)-1]
		require.Equal(t, "end", last.kind)
		var j view.Job
		require.NoError(t, json.Unmarshal([]byte(last.data), &j))
		require.Equal(t, job.Succeeded, j.State)
		require.Equal(t, int64(100), j.Done)
		var st view.Step
		require.NoError(t, json.Unmarshal([]byte(all[1].data), &st))
		require.Equal(t, view.Step{Event: "task", Job: "j", Number: 1, Name: "a.jpg", State: "done", Percent: 1, Node: "node_0"}, st)
	})
}

func TestEvents_WhoComesBackHearsWhatWasMissed(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		first := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		s.done(3)
		after(time.Second)
		known := first.events()
		first.leave()
		first.ended(t)
		s.done(3)
		after(time.Second)
		for name, e := range map[string]*ear{
			"header": hear(t, a, "viewer", jobPath, known[2].id),
			"query":  hear(t, a, "viewer", jobPath+"?last_event_id="+known[2].id, ""),
		} {
			after(time.Second)
			heard := e.events()
			require.Equal(t, known[3:], heard[:len(known)-3], name)
			require.Equal(t, 6-1, strings.Count(e.raw(), "event: task"), name)
			require.NotContains(t, kinds(heard), "state", name)
			require.NotContains(t, kinds(heard), "reset", name)
		}
		begun, open := s.counts()
		require.Equal(t, []int{1, 1}, []int{begun, open})
	})
}

func TestEvents_WhoIsTooLateIsToldSoAndHowThingsStand(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		s.job.Total = 10 * topicEvents
		first := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		known := first.events()[0].id
		for range 20 {
			s.done(100)
			after(time.Minute)
		}
		e := hear(t, a, "viewer", jobPath, known)
		after(time.Second)
		require.Equal(t, []string{"reset", "state"}, kinds(e.events()))
		require.JSONEq(t, `{"reason":"late"}`, e.events()[0].data)
		s.done(1)
		after(time.Second)
		require.Equal(t, []string{"reset", "state", "task", "progress"}, kinds(e.events()))
	})
}

func TestEvents_AnIdOfBeforeARestartIsKnownAsSuch(t *testing.T) {
	var before string
	staged(t, func(t *testing.T, a *API, _ *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		before = e.events()[0].id
	})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Second) // the server is away
		cfg := config()
		cfg.Service = newStage()
		a := New(cfg)
		defer a.events.close()
		e := hear(t, a, "viewer", jobPath, before)
		after(time.Second)
		require.Equal(t, []string{"reset", "state"}, kinds(e.events()))
		require.JSONEq(t, `{"reason":"restarted"}`, e.events()[0].data)
	})
}

func TestEvents_AnIdOfTheFutureIsNoneOfOurs(t *testing.T) {
	staged(t, func(t *testing.T, a *API, _ *stage) {
		e := hear(t, a, "viewer", jobPath, a.events.start+"-4611686018427387904")
		after(time.Second)
		require.Equal(t, []string{"reset", "state"}, kinds(e.events()))
	})
}

func TestEvents_ZeroAsksForAllThatIsRemembered(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		s.done(2)
		after(time.Second)
		e := hear(t, a, "viewer", jobPath+"?last_event_id=0", "")
		after(time.Second)
		require.Equal(t, []string{"task", "progress", "task"}, kinds(e.events())[:3])
	})
}

func TestEvents_ASlowListenerLosesEventsAndIsToldSo(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		s.job.Total = 10 * topicEvents
		e := hear(t, a, "viewer", jobPath, "")
		quick := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		release := e.block()
		for range 8 { // faster than the deadline of one write
			s.done(200)
			after(sendTime / 10)
		}
		topic := a.events.topics["job j"]
		require.LessOrEqual(t, len(topic.ring), topicEvents)
		for range 200 {
			topic.tell(topic.present, note{"filler", strings.Repeat("x", topicBytes/100)})
			synctest.Wait()
		}
		require.LessOrEqual(t, topic.bytes, topicBytes)
		release()
		after(time.Second)
		e.goesOn(t)
		require.Contains(t, kinds(e.events()), "reset")
		require.NotContains(t, kinds(quick.events()), "reset")
		require.Equal(t, 200, strings.Count(quick.raw(), "event: filler"))
	})
}

func TestEvents_AListenerThatTakesNothingIsLeft(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		e.block()
		s.done(1)
		after(sendTime + time.Second)
		e.ended(t)
		require.Zero(t, a.Listeners())
	})
}

func TestEvents_ACommentShowsThatBothEndsLive(t *testing.T) {
	staged(t, func(t *testing.T, a *API, _ *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(heartbeat - time.Second)
		require.Zero(t, strings.Count(e.raw(), ": alive\n\n"))
		after(2 * time.Second)
		require.Equal(t, 1, strings.Count(e.raw(), ": alive\n\n"))
		after(2 * heartbeat)
		require.Equal(t, 3, strings.Count(e.raw(), ": alive\n\n"))
		e.goesOn(t)
	})
}

func TestEvents_AThousandListenersCostOneWatch(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		s.job.Total = 5
		ears := make([]*ear, 1000)
		for i := range ears {
			ears[i] = hear(t, a, "viewer", jobPath, "")
		}
		after(time.Second)
		require.Equal(t, 1000, a.Listeners())
		s.done(5)
		after(time.Second)
		want := ears[0].raw()
		require.Contains(t, want, "event: end")
		for _, e := range ears {
			e.ended(t)
			require.Equal(t, want, e.raw())
		}
		begun, open := s.counts()
		require.Equal(t, []int{1, 0}, []int{begun, open})
		require.Zero(t, a.Listeners())
	})
}

func TestEvents_WithoutListenersNobodyWatches(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		e.leave()
		after(lingers / 2)
		_, open := s.counts()
		require.Equal(t, 1, open, "for those who come back")
		hear(t, a, "viewer", jobPath, "").leave()
		after(lingers - time.Second)
		_, open = s.counts()
		require.Equal(t, 1, open)
		after(2 * time.Second)
		_, open = s.counts()
		require.Zero(t, open)
		require.Empty(t, a.events.topics)
		hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		begun, open := s.counts()
		require.Equal(t, []int{2, 1}, []int{begun, open})
	})
}

func TestEvents_TopicsThatNobodyHearsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub("a", 10)
		defer h.close()
		for i := range 100 {
			topic, err := h.join(t.Context(), fmt.Sprint(i), func(ctx context.Context, t *topic) error {
				t.tell(nil)
				<-ctx.Done()
				return nil
			})
			require.NoError(t, err)
			h.leave(topic)
			synctest.Wait()
			require.LessOrEqual(t, len(h.topics), 10)
		}
	})
}

func TestEvents_ManyTopicsShareTheMemory(t *testing.T) {
	h := newHub("a", 1<<20)
	quiet := func(_ context.Context, t *topic) error { t.tell(nil); return nil }
	for i := range 1 << 10 {
		h.topics[fmt.Sprint(i)] = &topic{stop: func() {}}
	}
	_, err := h.join(t.Context(), "x", quiet)
	require.NoError(t, err)
	h.running.Wait()
	require.Equal(t, int64(allRings>>10), h.share.Load())
}

func TestEvents_StreamsHaveABoundOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Service, cfg.Listeners, cfg.Requests = newStage(), 20, 1
		a := New(cfg)
		defer a.events.close()
		for range 11 {
			e := hear(t, a, "viewer", jobPath, "")
			after(time.Second)
			e.goesOn(t)
		}
		w := ask(t, a, "viewer", http.MethodGet, jobPath, "")
		require.Equal(t, 429, w.Code, "one user may have 11 of 20")
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		problem(t, w)
		var last *ear
		for range 9 {
			last = hear(t, a, "admin", jobPath, "")
			after(time.Second)
			last.goesOn(t)
		}
		w = ask(t, a, "operator", http.MethodGet, jobPath, "")
		require.Equal(t, 503, w.Code)
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		last.leave()
		last.ended(t)
		hear(t, a, "operator", jobPath, "").goesOn(t)
	})
}

func TestEvents_HeadHasTheHeadAlone(t *testing.T) {
	cfg := config()
	cfg.Service = newStage()
	a := New(cfg)
	t.Cleanup(a.events.close)
	w := ask(t, a, "viewer", http.MethodHead, jobPath, "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	require.Empty(t, w.Body.String())
}

func TestEvents_TheLogIsHeardAsItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Service, cfg.Lines = newStage(), NewLogRing(0)
		log := slog.New(cfg.Lines.Handler(slog.NewTextHandler(&strings.Builder{}, nil)))
		a := New(cfg)
		defer a.events.close()
		log.Info("before")
		e := hear(t, a, "admin", "/log/events", "")
		all := hear(t, a, "admin", "/log/events", fromFirst)
		after(time.Second)
		require.Empty(t, e.events())
		log.Info("node has joined", "node", "node_0\nevent: forged")
		after(time.Second)
		require.Equal(t, []string{"line"}, kinds(e.events()))
		require.Equal(t, []string{"line", "line"}, kinds(all.events()))
		var l LogLine
		require.NoError(t, json.Unmarshal([]byte(e.events()[0].data), &l))
		require.Equal(t, int64(2), l.Number)
		require.Equal(t, "node_0\nevent: forged", l.Attributes["node"])
		e.leave()
		for range 30 {
			for range 100 {
				log.Info("more")
			}
			after(logPause)
		}
		late := hear(t, a, "admin", "/log/events", e.events()[0].id)
		after(time.Second)
		require.Equal(t, "reset", late.events()[0].kind)
		require.Len(t, late.events(), 1+topicEvents)
	})
}

func TestEvents_AllJobsAreHeard(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", "/jobs/events", "")
		after(time.Second)
		s.done(2)
		after(2 * time.Second)
		s.done(98)
		after(2 * time.Second)
		require.Equal(t, []string{"present", "progress", "state"}, kinds(e.events()))
		e.goesOn(t)
	})
}

func TestEvents_AreDescribed(t *testing.T) {
	cfg := config()
	cfg.Service, cfg.Nodes, cfg.Lines = newStage(), bare{}, NewLogRing(0)
	a := New(cfg)
	w := ask(t, a, "", http.MethodGet, "/openapi.json", "")
	var spec struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct {
					Kinds map[string]map[string]string `json:"x-events"`
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &spec))
	for path, kind := range map[string]string{"/jobs/{id}/events": "end", "/jobs/events": "new", "/nodes/events": "load", "/log/events": "line"} {
		events := spec.Paths[path]["get"].Responses["200"].Content["text/event-stream"].Kinds
		require.Contains(t, events, kind, path)
		require.Contains(t, events, "reset", path)
		require.Contains(t, events[kind]["$ref"], "#/components/schemas/", path)
	}
}

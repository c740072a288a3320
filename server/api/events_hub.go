package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"spillway/job"
)

const (
	// lingers is how long a topic goes on without listeners, for those who come back.
	lingers = 10 * time.Second
	// allRings bounds what the rings of all topics hold, in bytes, and each has leastRing
	// in any case.
	allRings  = 64 << 20
	leastRing = 32 << 10
)

// source finds out what happens and tells the topic, until ctx ends or there is no more
// to tell. An error before the first [topic.tell] is what listeners are answered.
type source func(ctx context.Context, t *topic) error

// hub has a topic for each thing that somebody listens to. All who listen to one share
// its source and the bytes that it makes.
type hub struct {
	start  string       // of all ids of this hub
	number atomic.Int64 // of the latest event of all topics
	share  atomic.Int64 // bytes that a ring may hold
	most   int          // topics, before those without listeners have to go

	mu      sync.Mutex // guards what follows, and topic.listeners and linger
	topics  map[string]*topic
	closed  bool
	running sync.WaitGroup
}

// newHub makes a hub whose ids begin with a word that no earlier one had.
func newHub(start string, most int) *hub {
	h := &hub{start: start, most: most, topics: map[string]*topic{}}
	h.share.Store(topicBytes)
	return h
}

// join listens to a topic, whose source is run if nobody else listens. The caller
// leaves it. Errors: those of the source, Unavailable (the server stops), Cancelled.
func (h *hub) join(ctx context.Context, name string, run source) (*topic, error) {
	t, err := h.enter(name, run)
	if err != nil {
		return nil, err
	}
	select {
	case <-t.ready:
		err = t.failure()
	case <-ctx.Done():
		err = job.E(job.CancelledCode, "", ctx.Err(), "")
	}
	if err != nil {
		h.leave(t)
		return nil, err
	}
	return t, nil
}

// enter counts a listener of a topic, which it opens where there is none.
func (h *hub) enter(name string, run source) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, job.E(job.Unavailable, "", errors.New("the server stops"), "come again when it is back")
	}
	t := h.topics[name]
	if t == nil {
		t = h.open(name, run)
	}
	t.listeners++
	if t.linger != nil {
		t.linger.Stop()
		t.linger = nil
	}
	return t, nil
}

// open begins a topic; mu is held.
func (h *hub) open(name string, run source) *topic {
	if len(h.topics) >= h.most {
		for _, t := range h.topics {
			if t.listeners == 0 {
				h.drop(t)
			}
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	now := h.number.Add(1) // nobody knows what happens from here on
	t := &topic{hub: h, name: name, stop: stop, ready: make(chan struct{}), floor: now, last: now, more: make(chan struct{})}
	h.topics[name] = t
	h.divide()
	h.running.Go(func() {
		defer stop()
		err := run(ctx, t)
		h.mu.Lock()
		h.drop(t)
		h.mu.Unlock()
		t.end(err)
	})
	return t
}

// drop forgets a topic, whose source ends; mu is held.
func (h *hub) drop(t *topic) {
	t.stop()
	if t.linger != nil {
		t.linger.Stop()
		t.linger = nil
	}
	if h.topics[t.name] == t {
		delete(h.topics, t.name)
		h.divide()
	}
}

// divide shares out the bytes among the rings; mu is held.
func (h *hub) divide() {
	h.share.Store(int64(max(leastRing, min(topicBytes, allRings/max(1, len(h.topics))))))
}

// leave is the end of a listener. The last one's topic ends a while later.
func (h *hub) leave(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.listeners--; t.listeners > 0 || h.topics[t.name] != t {
		return
	}
	t.linger = time.AfterFunc(lingers, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if t.listeners == 0 {
			h.drop(t)
		}
	})
}

// close ends all topics, and returns when none of their sources runs any more.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for _, t := range h.topics {
		h.drop(t)
	}
	h.mu.Unlock()
	h.running.Wait()
}

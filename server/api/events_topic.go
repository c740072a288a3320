package api

import (
	"context"
	"encoding/json"
	"errors"
	"sort"
	"sync"
	"time"

	"spillway/job"
)

const (
	// topicEvents and topicBytes bound what a topic remembers for those who come back
	// or are slow.
	topicEvents = 1024
	topicBytes  = 1 << 20
	// batchBytes bounds what a listener takes from the topic at once, beyond which there
	// is one event. A slow one keeps no more alive.
	batchBytes = 32 << 10
)

// note is an event before it has its number.
type note struct {
	kind string // a word of this package
	data any    // what JSON can be made of
}

// message is an event as it goes over the wire, made once for all who listen.
type message struct {
	number int64
	frame  []byte
}

// topic is what is told of one thing: the latest events, and how things stand now. A
// listener has nothing but the number of the event that it knows last, so that a slow
// one costs no memory.
type topic struct {
	hub   *hub
	name  string
	stop  context.CancelFunc // ends its source
	ready chan struct{}      // closed when it tells how things stand, or cannot

	listeners int         // guarded by the hub's mu, as is linger
	linger    *time.Timer // runs while nobody listens

	mu      sync.Mutex // guards what follows
	err     error      // why it could not begin
	begun   bool
	over    bool  // nothing follows
	ended   bool  // its last event says so
	floor   int64 // there was no event up to here, or it is forgotten
	last    int64
	ring    []message
	bytes   int
	more    chan struct{} // closed with what comes next
	present func() note   // how things stand; nil: nothing stands
	shown   []byte        // the same as a frame, once somebody wants it
}

// tell has all who listen hear of some events; who comes later is told how things
// stand by present, which may be nil. It is called while the topic waits: it must be
// quick, and answer the same at any time.
func (t *topic) tell(present func() note, notes ...note) {
	bodies := make([][]byte, len(notes))
	for i, n := range notes {
		bodies[i] = encode(n.data)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range notes {
		number := t.hub.number.Add(1)
		t.add(message{number, t.hub.frame(number, n.kind, bodies[i])})
		t.ended = n.kind == endEvent
	}
	t.present, t.shown = present, nil
	if !t.begun {
		t.begun = true
		close(t.ready)
	}
	if len(notes) > 0 {
		t.wake()
	}
}

// add remembers a message, and forgets the oldest where there are too many; mu is held.
func (t *topic) add(m message) {
	t.ring = append(t.ring, m)
	t.bytes += len(m.frame)
	t.last = m.number
	for len(t.ring) > 1 && (len(t.ring) > topicEvents || t.bytes > int(t.hub.share.Load())) {
		t.floor = t.ring[0].number
		t.bytes -= len(t.ring[0].frame)
		t.ring[0] = message{} // so that nothing keeps it alive
		t.ring = t.ring[1:]
	}
}

// wake wakes all who wait; mu is held.
func (t *topic) wake() {
	close(t.more)
	t.more = make(chan struct{})
}

// end says that nothing follows.
func (t *topic) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if !t.begun {
		t.begun, t.err = true, err
		if err == nil {
			t.err = job.E(job.Unavailable, "", errors.New("there is nothing to hear"), "try again")
		}
		close(t.ready)
	}
	t.wake()
}

// failure is why the topic could not begin.
func (t *topic) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// batch is what a listener hears next.
type batch struct {
	frames [][]byte
	upTo   int64           // the number that the listener knows then
	lost   bool            // some of what it does not know is forgotten; there are no frames
	over   bool            // nothing follows
	more   <-chan struct{} // closed when there is more
}

// next is what is behind a number.
func (t *topic) next(after int64) batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := batch{upTo: after, more: t.more, lost: after < t.floor}
	if b.lost {
		return b
	}
	from := sort.Search(len(t.ring), func(i int) bool { return t.ring[i].number > after })
	size := 0
	for _, m := range t.ring[from:] {
		if size > 0 && size+len(m.frame) > batchBytes {
			return b
		}
		size += len(m.frame)
		b.frames, b.upTo = append(b.frames, m.frame), m.number
	}
	b.over = t.over
	return b
}

// now is how things stand, and the number of the event that this includes. Where the
// topic has ended, its end follows; and where nothing stands, what comes, or to one who
// has lost events all that is remembered.
func (t *topic) now(lost bool) (frame []byte, upTo int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended:
		return nil, t.beforeEnd()
	case t.present == nil && lost:
		return nil, t.floor
	case t.present == nil:
		return nil, t.last
	case t.shown == nil:
		n := t.present()
		t.shown = t.hub.frame(t.last, n.kind, encode(n.data))
	}
	return t.shown, t.last
}

// beforeEnd is the number before the last event; mu is held.
func (t *topic) beforeEnd() int64 {
	if len(t.ring) < 2 {
		return t.floor
	}
	return t.ring[len(t.ring)-2].number
}

// oldest is the number before all that is remembered.
func (t *topic) oldest() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.floor
}

// encode is v as JSON, in one line.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // a number that is none: what is told is not worth the server
		return []byte(`{}`)
	}
	return b
}

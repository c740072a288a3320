package mux

import (
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// Stats are what passed between a pool and its peer. P50 and P99 are of the
// calls of the last one to two minutes, with an error of at most 7 %; 0 where
// there were none.
type Stats struct {
	InFlight      int
	Conns         int
	Dials         int64
	Calls         int64 // ended
	Errors        int64 // of them, those without an answer or with an exception that no handler declared
	BytesSent     int64
	BytesReceived int64
	P50, P99      time.Duration
}

// statsWindow is how long latencies count at least.
const statsWindow = time.Minute

// stats count what passes through a pool.
type stats struct {
	epoch                          time.Time
	inFlight, calls, errors, dials atomic.Int64

	mu             sync.Mutex // guards what follows
	conns          map[*conn]struct{}
	sent, received int64         // of closed connections
	latest, before histogram     // of this window and the one before
	since          time.Duration // when this window began, after epoch
}

// now is the time since the pool was made, which is cheaper to have than the
// time of day.
func (s *stats) now() time.Duration { return time.Since(s.epoch) }

func (s *stats) begin() (start time.Duration) {
	s.inFlight.Add(1)
	return s.now()
}

func (s *stats) end(start time.Duration, err error) {
	s.inFlight.Add(-1)
	s.calls.Add(1)
	if err != nil {
		_, told := errors.AsType[thrift.TApplicationException](err)
		_, failed := errors.AsType[*CallError](err)
		if told || failed {
			s.errors.Add(1)
		}
	}
	now := s.now()
	s.mu.Lock()
	s.turn(now)
	s.latest.add(now - start)
	s.mu.Unlock()
}

// turn begins a new window where it is time.
func (s *stats) turn(now time.Duration) {
	age := now - s.since
	if age < statsWindow {
		return
	}
	s.before = s.latest
	if age >= 2*statsWindow {
		s.before = histogram{}
	}
	s.latest, s.since = histogram{}, now
}

func (s *stats) opened(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
}

func (s *stats) closed(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		delete(s.conns, c)
		s.sent += c.w.bytes.Load()
		s.received += c.src.bytes.Load()
	}
}

// Stats is what has passed so far.
func (p *Pool) Stats() Stats {
	s := &p.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(s.now())
	out := Stats{
		InFlight: int(s.inFlight.Load()), Conns: len(s.conns), Dials: s.dials.Load(),
		Calls: s.calls.Load(), Errors: s.errors.Load(), BytesSent: s.sent, BytesReceived: s.received,
	}
	for c := range s.conns {
		out.BytesSent += c.w.bytes.Load()
		out.BytesReceived += c.src.bytes.Load()
	}
	both := s.latest
	both.merge(&s.before)
	out.P50, out.P99 = both.quantile(0.50), both.quantile(0.99)
	return out
}

// A histogram has eight buckets for each power of two of nanoseconds, from one
// to 2^42 (73 minutes).
const (
	bucketBits = 3
	buckets    = (42 - bucketBits + 1) << bucketBits
)

type histogram struct {
	counts [buckets]uint32
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

func bucket(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<bucketBits {
		return int(n)
	}
	shift := bits.Len64(n) - bucketBits - 1
	return min(buckets-1, shift<<bucketBits+int(n>>shift))
}

// middle is the value that stands for bucket i.
func middle(i int) time.Duration {
	if i < 2<<bucketBits {
		return time.Duration(i)
	}
	shift := i>>bucketBits - 1
	low := uint64(i-shift<<bucketBits) << shift
	return time.Duration(low + 1<<shift/2)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// quantile is the value that a share q of all does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	for i, n := range h.counts {
		if uint64(n) > rank {
			return middle(i)
		}
		rank -= uint64(n)
	}
	return 0
}

package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"spillway/job"
)

// visit is what is known of a call while it is answered, and the writer of its answer.
type visit struct {
	http.ResponseWriter
	deadlines deadliner // nil: a test's writer, which has none
	id        string
	who       job.Principal // nobody in a call that anybody may make
	pattern   string        // of the call that is declared; "": none is, or it is not looked up yet
	user      string        // who makes the call, or wants to, for the audit log
	from      netip.Addr
	status    int
	streams   bool // over HTTP/2, where a call has a stream of a connection
	inBody    bool // its body has not been read to the end
	broken    bool // its body could not be read
	in, out   pace
	waiting   atomic.Int64 // since when the peer is waited for, in Unix nanoseconds; 0: it is not
	lag       atomic.Int64 // nanoseconds that the peer was behind goodRate before that
	cutOff    atomic.Bool  // it has to make room
}

// key is the type of what this package keeps in contexts.
type key int

const (
	visitKey key = iota
	guestKey
)

// visitOf is the visit of ctx; an empty one outside of a call.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey).(*visit); ok {
		return v
	}
	return &visit{}
}

// requestID names the request of ctx in the log; "" outside of one.
func requestID(ctx context.Context) string { return visitOf(ctx).id }

// principal is who makes the call of ctx; nobody in a call that anybody may make.
func principal(ctx context.Context) job.Principal { return visitOf(ctx).who }

// visited gives each request an id that its answer and the log have, and its peer the
// time that it may take.
func (a *API) visited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{ResponseWriter: w, id: strings.ToLower(rand.Text()[:16]), status: http.StatusOK, streams: r.ProtoMajor > 1}
		v.deadlines, _ = w.(deadliner)
		if g, ok := r.Context().Value(guestKey).(*guest); ok {
			g.begin()
			defer g.end()
			v.from = g.from
		} else {
			v.from = addressOf(r.RemoteAddr)
		}
		w.Header().Set("X-Request-Id", v.id)
		r = r.WithContext(context.WithValue(r.Context(), visitKey, v))
		v.paced(r)
		defer v.settle()
		next.ServeHTTP(v, r)
	})
}

// WriteHeader implements http.ResponseWriter.
func (v *visit) WriteHeader(status int) {
	if status >= http.StatusOK { // those before announce
		v.status = status
	}
	v.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController see the writer below.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// places is how many calls may be answered at once, and who has them.
type places struct {
	most int

	mu    sync.Mutex // guards what follows
	taken map[*visit]struct{}
	from  map[netip.Addr]int // calls of each address
}

func newPlaces(most int) *places {
	return &places{most: most, taken: map[*visit]struct{}{}, from: map[netip.Addr]int{}}
}

// enter takes a place, and where there is none, that of a call whose peer is slow.
func (p *places) enter(v *visit, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) >= p.most {
		worst := p.slowest(v.from, now)
		if worst == nil {
			return false
		}
		p.drop(worst)
		worst.cut()
	}
	p.taken[v] = struct{}{}
	p.from[v.from]++
	return true
}

// A call whose peer is behind by slow makes room for any other; by a moment, for one
// whose address has less than half of the places that its own has.
const (
	slow   = time.Second
	moment = 10 * time.Millisecond
)

// slowest is, of the calls that may make room for one from an address, one of the
// address that has the most places, and of these the one that is furthest behind; nil:
// there is none. mu is held.
func (p *places) slowest(from netip.Addr, now time.Time) *visit {
	var worst *visit
	var most time.Duration
	for v := range p.taken {
		lag, enough := v.lagging(now), slow
		if 2*p.from[from] < p.from[v.from] {
			enough = moment
		}
		if lag < enough {
			continue
		}
		if worst == nil || p.from[v.from] > p.from[worst.from] || p.from[v.from] == p.from[worst.from] && lag > most {
			worst, most = v, lag
		}
	}
	return worst
}

// count is how many places are taken.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken)
}

// leave gives back the place of v, if it still has it.
func (p *places) leave(v *visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(v)
}

// drop takes its place from v; mu is held.
func (p *places) drop(v *visit) {
	if _, has := p.taken[v]; !has {
		return
	}
	delete(p.taken, v)
	if p.from[v.from]--; p.from[v.from] == 0 {
		delete(p.from, v.from)
	}
}

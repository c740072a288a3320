package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// stalled is how long a body may go without a byte, up or down.
const stalled = time.Minute

// How slow a peer may be. One that gives or takes bytes may take all the time that
// they need at leastRate.
const (
	graceTime = stalled // of waiting, beyond what leastRate allows
	leastRate = 1 << 10 // bytes/s
	// goodRate is that of a peer who need not make room for others, in bytes/s.
	goodRate = 64 << 10
	// drainTime is how long what is left of a body may take once its call is answered.
	drainTime = 5 * time.Second
)

// pace is how a peer gives bytes, or takes them.
type pace struct {
	waited time.Duration // for the peer
	bytes  int64
}

// add is told of n bytes that were waited for.
func (p *pace) add(n int, waited time.Duration) {
	p.bytes += int64(max(n, 0))
	p.waited += waited
}

// patience is how long the next bytes may take; not positive: the peer is too slow.
func (p *pace) patience() time.Duration {
	earned := time.Duration(p.bytes/leastRate) * time.Second
	return min(stalled, graceTime+earned-p.waited)
}

// lagging is how far the peer of v is behind goodRate.
func (v *visit) lagging(now time.Time) time.Duration {
	lag := time.Duration(v.lag.Load())
	if since := v.waiting.Load(); since != 0 {
		lag += time.Duration(now.UnixNano() - since)
	}
	return lag
}

// begin is told that the peer is waited for from now on, and end that it gave or took
// n bytes.
func (v *visit) begin(now time.Time) { v.waiting.Store(now.UnixNano()) }

func (v *visit) end(p *pace, begun time.Time, n int) {
	waited := time.Since(begun)
	p.add(n, waited)
	lag := v.lag.Load() + int64(waited) - int64(max(n, 0))*int64(time.Second)/goodRate
	v.lag.Store(max(0, lag))
	v.waiting.Store(0)
}

// past is a deadline that is over.
func past() time.Time { return time.Unix(1, 0) }

// deadliner is a writer of net/http, whose reads and writes can be given an end.
type deadliner interface {
	SetReadDeadline(at time.Time) error
	SetWriteDeadline(at time.Time) error
}

// Write implements http.ResponseWriter: the peer must take what is written in time.
func (v *visit) Write(b []byte) (int, error) {
	begun := v.beginWrite()
	n, err := v.ResponseWriter.Write(b)
	v.endWrite(begun, n)
	return n, err
}

// FlushError is what http.ResponseController flushes by.
func (v *visit) FlushError() error {
	begun := v.beginWrite()
	err := http.NewResponseController(v.ResponseWriter).Flush()
	v.endWrite(begun, 0)
	return err
}

func (v *visit) beginWrite() time.Time {
	begun := time.Now()
	if v.deadlines != nil {
		_ = v.deadlines.SetWriteDeadline(begun.Add(v.out.patience()))
		if v.cutOff.Load() {
			_ = v.deadlines.SetWriteDeadline(past())
		}
	}
	v.begin(begun)
	return begun
}

func (v *visit) endWrite(begun time.Time, n int) {
	v.end(&v.out, begun, n)
	if v.deadlines != nil && v.streams { // a stream ends with its deadline, also while nothing is written
		_ = v.deadlines.SetWriteDeadline(time.Time{})
	}
}

// settle gives the end of the answer, and what the peer still sends, their times.
func (v *visit) settle() {
	if v.deadlines == nil {
		return
	}
	now := time.Now()
	switch {
	case v.broken:
		_ = v.deadlines.SetReadDeadline(past()) // nobody waits for the rest
	case v.inBody:
		_ = v.deadlines.SetReadDeadline(now.Add(drainTime))
	}
	left := stalled
	if v.cutOff.Load() {
		left = drainTime
	}
	_ = v.deadlines.SetWriteDeadline(now.Add(left))
}

// cut ends a call that waits for its peer.
func (v *visit) cut() {
	v.cutOff.Store(true)
	if v.deadlines != nil {
		_ = v.deadlines.SetReadDeadline(past())
		_ = v.deadlines.SetWriteDeadline(past())
	}
}

// inflow is the body of a call, whose peer must send it in time.
type inflow struct {
	io.ReadCloser
	v *visit
}

// Read implements io.Reader.
func (f inflow) Read(b []byte) (int, error) {
	v, begun := f.v, time.Now()
	if v.deadlines != nil {
		_ = v.deadlines.SetReadDeadline(begun.Add(v.in.patience()))
		if v.cutOff.Load() {
			_ = v.deadlines.SetReadDeadline(past())
		}
	}
	v.begin(begun)
	n, err := f.ReadCloser.Read(b)
	v.end(&v.in, begun, n)
	v.broken = v.broken || err != nil && !errors.Is(err, io.EOF)
	if errors.Is(err, io.EOF) && v.inBody {
		v.inBody = false
		if v.deadlines != nil {
			_ = v.deadlines.SetReadDeadline(time.Time{}) // which would end a call that takes longer
		}
	}
	return n, err
}

// paced has v watch over the body of r.
func (v *visit) paced(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	v.inBody = true
	r.Body = inflow{r.Body, v}
	if v.deadlines == nil {
		return
	}
	now := time.Now()
	_ = v.deadlines.SetReadDeadline(now.Add(stalled))
	if !v.streams {
		_ = v.deadlines.SetWriteDeadline(now.Add(stalled)) // of "100 Continue", and in place of an earlier call's
	}
}

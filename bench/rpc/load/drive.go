package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"spillway/bench/rpc/peer"
)

// Times says how long a measurement takes.
type Times struct {
	Settle time.Duration // load that is not counted
	Window time.Duration // load that is
}

// Measured is what one window showed. Figures a call are those of both
// processes together; with bulk beside, its calls count in them as calls do.
type Measured struct {
	Calls          int64   `json:"calls"` // that ended in the window
	Seconds        float64 `json:"seconds"`
	CallsPerSecond float64 `json:"calls_per_second"`
	P50            float64 `json:"p50_us"` // microseconds, as all latencies
	P99            float64 `json:"p99_us"`
	BulkPerSecond  float64 `json:"bulk_per_second,omitempty"`
	Allocations    float64 `json:"allocations_per_call"`
	Allocated      float64 `json:"bytes_allocated_per_call"`
	CPU            float64 `json:"cpu_us_per_call"`
	PeakMemory     int64   `json:"peak_memory"` // bytes, since the processes began
}

// The phases of a measurement.
const (
	settling = iota
	counting
	over
)

// driver is the load of one measurement.
type driver struct {
	c     Case
	phase atomic.Int32
	tiny  []*histogram // callers share them, a few each, so that they meet seldom
	bulk  *histogram
	fails context.CancelCauseFunc
}

// Measure runs c against client. usage is that of both processes. Errors: a call
// failed or answered something else, or usage's.
func Measure(ctx context.Context, c Case, client peer.Client, usage func() (Usage, error), t Times) (Measured, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &driver{c: c, tiny: make([]*histogram, 4*runtime.GOMAXPROCS(0)), bulk: new(histogram), fails: cancel}
	for i := range d.tiny {
		d.tiny[i] = new(histogram)
	}
	callers, err := connect(ctx, c, client)
	if err != nil {
		return Measured{}, err
	}
	var running sync.WaitGroup
	for i, caller := range callers {
		running.Go(func() { d.call(ctx, i, caller) })
	}
	m, err := d.window(ctx, usage, t)
	d.phase.Store(over)
	if err != nil {
		cancel(err)
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return Measured{}, err
	}
	return m, nil
}

// connect makes the callers; the first one's first answer is looked at whole.
func connect(ctx context.Context, c Case, client peer.Client) ([]peer.Caller, error) {
	callers := make([]peer.Caller, c.Callers+c.Bulk)
	for i := range callers {
		var err error
		if callers[i], err = client.Caller(); err != nil {
			return nil, fmt.Errorf("connect caller %d: %w", i, err)
		}
	}
	for _, n := range []int{c.Bytes, BulkBytes} {
		data := payload(n, n)
		answer, err := callers[0].Echo(ctx, data)
		if err != nil {
			return nil, fmt.Errorf("echo %d bytes: %w", n, err)
		}
		if !bytes.Equal(data, answer) {
			return nil, fmt.Errorf("echo %d bytes: the answer is another", n)
		}
		if c.Bulk == 0 {
			break
		}
	}
	return callers, nil
}

// window lets the load settle, counts, and sums up.
func (d *driver) window(ctx context.Context, usage func() (Usage, error), t Times) (Measured, error) {
	if err := sleep(ctx, t.Settle); err != nil {
		return Measured{}, err
	}
	before, err := usage()
	if err != nil {
		return Measured{}, err
	}
	start := time.Now()
	d.phase.Store(counting)
	if err := sleep(ctx, t.Window); err != nil {
		return Measured{}, err
	}
	d.phase.Store(over)
	took := time.Since(start).Seconds()
	after, err := usage()
	if err != nil {
		return Measured{}, err
	}
	all := merge(d.tiny)
	calls, bulk := all.total(), d.bulk.total()
	if calls == 0 {
		return Measured{}, errors.New("no call ended in the window")
	}
	each := 1 / float64(calls+bulk)
	return Measured{
		Calls: calls, Seconds: took, CallsPerSecond: float64(calls) / took, BulkPerSecond: float64(bulk) / took,
		P50: micros(all.quantile(.5)), P99: micros(all.quantile(.99)),
		Allocations: float64(after.Allocations-before.Allocations) * each,
		Allocated:   float64(after.Allocated-before.Allocated) * each,
		CPU:         micros(after.CPU-before.CPU) * each,
		PeakMemory:  after.PeakMemory,
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// sleep waits for a while, or until ctx ends. Errors: the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call is one caller's loop. Its context is its own, because some peers lock the
// one that they are given in each call.
func (d *driver) call(ctx context.Context, i int, caller peer.Caller) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n, seen := d.c.Bytes, d.tiny[i%len(d.tiny)]
	if i >= d.c.Callers {
		n, seen = BulkBytes, d.bulk
	}
	do := caller.Echo
	if d.c.Slow {
		do = caller.After
	}
	data := payload(n, i)
	for start := time.Now(); ; {
		answer, err := do(ctx, data)
		if err == nil && !own(data, answer) {
			err = errors.New("the answer is another")
		}
		if err != nil {
			d.fails(fmt.Errorf("caller %d: %w", i, err))
			return
		}
		now := time.Now()
		switch d.phase.Load() {
		case counting:
			seen.add(now.Sub(start))
		case over:
			return
		}
		start = now
	}
}

// payload is n bytes, 16 or more, that begin and end with the caller's number.
func payload(n, caller int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 31)
	}
	binary.BigEndian.PutUint64(data, uint64(caller))
	binary.BigEndian.PutUint64(data[n-8:], uint64(caller))
	return data
}

// own tells whether the answer is as long as the data and has its ends.
func own(data, answer []byte) bool {
	n := len(data)
	return len(answer) == n && bytes.Equal(data[:8], answer[:8]) && bytes.Equal(data[n-8:], answer[n-8:])
}

package load_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
)

// fake answers each call by answer, after a while.
type fake struct {
	takes  time.Duration
	answer func(data []byte) ([]byte, error)
	slow   atomic.Int64 // calls of After
}

func (f *fake) Caller() (peer.Caller, error) { return f, nil }

func (f *fake) Echo(_ context.Context, data []byte) ([]byte, error) {
	time.Sleep(f.takes)
	return f.answer(data)
}

func (f *fake) After(ctx context.Context, data []byte) ([]byte, error) {
	f.slow.Add(1)
	return f.Echo(ctx, data)
}

func same(data []byte) ([]byte, error) { return data, nil }

// growing is the usage of processes that allocate a thousand objects between two
// looks.
func growing() func() (load.Usage, error) {
	var u load.Usage
	return func() (load.Usage, error) {
		u = u.Plus(load.Usage{Allocations: 1000, Allocated: 5000, CPU: time.Second})
		return u, nil
	}
}

var times = load.Times{Settle: 100 * time.Millisecond, Window: time.Second}

func TestMeasure_CountsTheWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 10 * time.Millisecond, answer: same}
		c := load.Case{Bytes: load.TinyBytes, Callers: 3}
		m, err := load.Measure(t.Context(), c, f, growing(), times)
		require.NoError(t, err)
		require.InDelta(t, 300, m.Calls, 6, "three callers of 100 calls a second, for a second")
		require.InDelta(t, 300, m.CallsPerSecond, 6)
		require.InEpsilon(t, 10_000, m.P50, .02)
		require.InEpsilon(t, 10_000, m.P99, .02)
		require.InEpsilon(t, 1000, m.Allocations*float64(m.Calls), .001)
		require.InEpsilon(t, 5000, m.Allocated*float64(m.Calls), .001)
		require.InEpsilon(t, 1e6, m.CPU*float64(m.Calls), .001)
		require.Zero(t, m.BulkPerSecond)
		require.Zero(t, f.slow.Load())
	})
}

func TestMeasure_CountsBulkApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 10 * time.Millisecond, answer: same}
		m, err := load.Measure(t.Context(), load.Case{Bytes: load.TinyBytes, Callers: 1, Bulk: 2}, f, growing(), times)
		require.NoError(t, err)
		require.InDelta(t, 100, m.Calls, 2)
		require.InDelta(t, 200, m.BulkPerSecond, 4)
		require.InEpsilon(t, 1000./300, m.Allocations, .03, "of every call")
	})
}

func TestMeasure_SlowCasesCallTheSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 10 * time.Millisecond, answer: same}
		_, err := load.Measure(t.Context(), load.Case{Bytes: load.TinyBytes, Callers: 1, Slow: true}, f, growing(), times)
		require.NoError(t, err)
		require.InDelta(t, 110, f.slow.Load(), 2)
	})
}

func TestMeasure_SeesWhatGoesWrong(t *testing.T) {
	broken := errors.New("broken")
	rows := []struct {
		name   string
		takes  time.Duration
		answer func(data []byte) ([]byte, error)
		usage  func() (load.Usage, error)
		want   string
	}{
		{"a failed call", time.Microsecond, func([]byte) ([]byte, error) { return nil, broken }, growing(), "echo 16 bytes: broken"},
		{"another answer to the first call", time.Microsecond, func([]byte) ([]byte, error) { return []byte("x23456789abcdefg"), nil }, growing(), "echo 16 bytes: the answer is another"},
		{"another caller's answer later", time.Microsecond, swapAfter(10), growing(), "caller 0: the answer is another"},
		{"no call in the window", time.Hour, same, growing(), "no call ended in the window"},
		{"usage that cannot be read", time.Microsecond, same, func() (load.Usage, error) { return load.Usage{}, broken }, "broken"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{takes: row.takes, answer: row.answer}
				_, err := load.Measure(t.Context(), load.Case{Bytes: load.TinyBytes, Callers: 1}, f, row.usage, times)
				require.EqualError(t, err, row.want)
			})
		})
	}
}

// swapAfter answers n calls well, and then with another caller's number.
func swapAfter(n int) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		if n--; n >= 0 {
			return data, nil
		}
		other := bytes.Clone(data)
		other[len(other)-1]++
		return other, nil
	}
}

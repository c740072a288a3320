package mux

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

func TestStats_CountWhatPassed(t *testing.T) {
	h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
		switch string(data) {
		case "refuse":
			return nil, &echo.Refused{Reason: "not today"}
		case "fail":
			return nil, errors.New("no disk")
		}
		return data, nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		require.Zero(t, p.Stats())
		requireEchoes(t, p, "fine")
		_, err := client(p).Echo(t.Context(), []byte("refuse"))
		require.Error(t, err)
		s := p.Stats()
		require.Equal(t, []int64{2, 0, 1, 1}, []int64{s.Calls, s.Errors, s.Dials, int64(s.Conns)}, "a declared exception is an answer")
		_, err = client(p).Echo(t.Context(), []byte("fail"))
		require.Error(t, err)
		_, err = client(p).After(cancelAfter(t, time.Second), nil, 1500)
		require.Error(t, err)
		s = p.Stats()
		require.Equal(t, []int64{4, 2, 0}, []int64{s.Calls, s.Errors, int64(s.InFlight)})

		go func() { _, _ = client(p).After(context.Background(), nil, 1500) }()
		time.Sleep(time.Second)
		s = p.Stats()
		require.Equal(t, []int64{4, 1}, []int64{s.Calls, int64(s.InFlight)})
		time.Sleep(time.Second)
		require.Zero(t, p.Stats().InFlight)
	})
}

func TestStats_CountTheBytesOnTheWireAlsoOfConnectionsThatEnded(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "not marked": false} {
		t.Run(name, func(t *testing.T) {
			var there, back int64
			dial := byHand(func(_ int, f *farEnd) {
				_ = f.serve(marked, func(m *message) bool {
					there += int64(m.size)
					if m.method != cancelMethod {
						back += int64(len(f.done(m)))
					}
					return false
				})
			})
			withPool(t, PoolConfig{Dial: dial, IdleTimeout: time.Second}, func(t *testing.T, p *Pool) {
				for _, size := range []int{0, 10, 5000, 40_000, 100_000, 3} {
					requireEchoes(t, p, string(make([]byte, size)))
					synctest.Wait()
					s := p.Stats()
					require.Equal(t, there, s.BytesSent)
					require.Equal(t, back, s.BytesReceived)
					time.Sleep(time.Duration(size/20) * time.Millisecond) // some outlive it
				}
				require.Greater(t, p.Stats().Dials, int64(1))
			})
		})
	}
}

func TestStats_LatenciesAreThoseOfTheLastOneToTwoMinutes(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		take := func(n int, ms int64) {
			for range n {
				_, err := client(p).After(t.Context(), nil, ms)
				require.NoError(t, err)
			}
		}
		around := func(want time.Duration, got time.Duration) {
			t.Helper()
			require.InEpsilon(t, want, got, 0.07)
		}
		take(1, 1)
		take(98, 10)
		take(2, 3000)
		around(10*time.Millisecond, p.Stats().P50)
		around(3*time.Second, p.Stats().P99)
		time.Sleep(time.Minute) // in the window before
		take(50, 20)
		around(10*time.Millisecond, p.Stats().P50)
		around(3*time.Second, p.Stats().P99)
		time.Sleep(time.Minute)
		around(20*time.Millisecond, p.Stats().P50)
		around(20*time.Millisecond, p.Stats().P99)
		take(10, 1)
		time.Sleep(2 * time.Minute)
		require.Zero(t, p.Stats().P50)
		require.Zero(t, p.Stats().P99)
	})
}

func TestHistogram_QuantilesAreWithinSevenPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		var h histogram
		most := time.Duration(1 + rng.Int64N(int64(1)<<(3+rng.IntN(39))))
		all := make([]time.Duration, 1+rng.IntN(300))
		for i := range all {
			all[i] = time.Duration(rng.Int64N(int64(most)))
			h.add(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99} {
			want := all[int(q*float64(len(all)))]
			require.InDelta(t, want, h.quantile(q), 0.07*float64(want), "%v of %d up to %v", q, len(all), most)
		}
	}
}

func TestHistogram_HoldsAnyTime(t *testing.T) {
	for _, d := range []time.Duration{-time.Hour, 0, 1, 7, 8, 15, 16, time.Hour, 74 * time.Minute, 1<<63 - 1} {
		var h histogram
		h.add(d)
		want := float64(max(0, min(d, 73*time.Minute)))
		require.InDelta(t, want, h.quantile(0.5), 0.07*want)
	}
	var h, other histogram
	require.Zero(t, h.quantile(0.5))
	for range 10 {
		h.add(time.Second)
		other.add(time.Minute)
		other.add(time.Minute)
	}
	h.merge(&other)
	require.InEpsilon(t, time.Second, h.quantile(0.3), 0.07)
	require.InEpsilon(t, time.Minute, h.quantile(0.4), 0.07)
}

// overLoopback runs a test against a server on a real connection.
func overLoopback(t *testing.T, h echo.Echo, test func(p *Pool)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := NewServer(ServerConfig{}, echo.NewEchoProcessor(h), slog.New(slog.DiscardHandler))
	go func() { served <- s.Serve(ctx, l) }()
	p := NewPool(PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}})
	test(p)
	require.NoError(t, p.Close())
	cancel()
	require.NoError(t, <-served)
}

// allowed is how many allocations a tiny call may cost, on both ends together.
const allowed = 10

func TestCall_CostsFewAllocations(t *testing.T) {
	if underRace() {
		t.Skip("the race detector makes pools forget")
	}
	overLoopback(t, fakeEcho{}, func(p *Pool) {
		tiny := []byte("tiny")
		one := func() {
			if got, err := client(p).Echo(context.Background(), tiny); err != nil || len(got) != len(tiny) {
				t.Error(err)
			}
		}
		for range 1000 {
			one()
		}
		lone := testing.AllocsPerRun(5000, one)
		t.Logf("a lone caller: %.1f", lone)
		require.LessOrEqual(t, lone, float64(allowed))

		const callers, calls = 64, 500
		crowd := func() {
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range calls {
						one()
					}
				})
			}
			wg.Wait()
		}
		crowd()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		crowd()
		runtime.ReadMemStats(&after)
		many := float64(after.Mallocs-before.Mallocs) / (callers * calls)
		t.Logf("%d callers: %.1f", callers, many)
		require.LessOrEqual(t, many, float64(allowed))
	})
}

package mux

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// withGate runs a test in a bubble; nobody reads from the far end of the writer.
func withGate(t *testing.T, test func(t *testing.T, g *gate)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := &writer{}
		w.init(near, time.Minute, true)
		w.broken = func(error, []int32) { near.Close() }
		g := &gate{}
		g.init(w)
		test(t, g)
	})
}

func TestGate_FewLargeAnswersAreMadeAtOnceAndNoMoreCallsAreReadMeanwhile(t *testing.T) {
	withGate(t, func(t *testing.T, g *gate) {
		var in atomic.Int32
		var settled atomic.Bool
		for range 10 {
			go func() {
				g.enter()
				in.Add(1)
			}()
		}
		synctest.Wait()
		go func() {
			g.settle()
			settled.Store(true)
		}()
		for left := range 8 {
			synctest.Wait()
			require.EqualValues(t, gatePlaces+left, in.Load())
			require.False(t, settled.Load())
			g.leave()
		}
		synctest.Wait()
		require.EqualValues(t, 10, in.Load())
		require.True(t, settled.Load())
	})
}

func TestGate_LargeAnswersWaitUntilThePeerReadsOrIsDropped(t *testing.T) {
	withGate(t, func(t *testing.T, g *gate) {
		began := time.Now()
		require.NoError(t, g.w.send(text(string(make([]byte, backlog+1))), 1, patience))
		g.enter()
		require.GreaterOrEqual(t, time.Since(began), time.Minute, "it is dropped then")
		g.leave()
	})
}

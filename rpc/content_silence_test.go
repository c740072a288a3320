package rpc

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// A server that stands still, its connections open, must not keep a place from
// others.
func TestContent_AnAttemptEndsWhoseCallerStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newErrand(&spillway.Task{})
		defer e.end()
		var over atomic.Bool
		e.watch(func() { over.Store(true) })
		for range 12 { // there is nothing to wish for
			start := time.Now()
			require.Zero(t, e.serve(t.Context(), nil).Number)
			require.Equal(t, askAgain, time.Since(start), "a caller is heard of now and then")
			require.False(t, over.Load())
		}
		time.Sleep(callerGone - time.Second)
		require.False(t, over.Load())
		require.Zero(t, e.serve(t.Context(), nil).Number)
		time.Sleep(callerGone + time.Second)
		require.True(t, over.Load())
	})
}

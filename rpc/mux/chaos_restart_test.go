package mux_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/rpc/mux"
)

// Servers are replaced at the same address under load: a call that is tried again
// when it never left is answered in the end, each handler runs once, and no answer
// of one is lost. The address is a path, since another process could take a port
// meanwhile.
func TestServer_StopsWithoutLosingAnAnswer(t *testing.T) {
	seed := seedOf(t)
	for _, row := range []struct {
		name  string
		far   fault
		calls int
	}{
		{"near", fault{}, replacedCalls},
		{"15 ms away", fault{delay: 15 * time.Millisecond}, replacedCalls / 20},
		{"in small pieces", fault{delay: 3 * time.Millisecond, segment: 64}, replacedCalls / 20},
		{"over 4 MB a second", fault{rate: 4 << 20}, replacedCalls / 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBook(row.calls)
			b.whole = true
			addr, stop := startBook(t, b, mux.ServerConfig{}, filepath.Join(t.TempDir(), "server"))
			l, at := startLink(t, addr, seed)
			l.set(row.far)
			pool := startPoolOf(t, at, mux.PoolConfig{BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond})
			done := make(chan struct{})
			go func() {
				defer close(done)
				load{
					callers: 64, calls: row.calls, largest: 300_000, patience: time.Minute,
					seed: seed, mild: true, slow: true, stubborn: true,
				}.run(t, b, pool)
			}()
			stops := 0
			for running := true; running; stops++ {
				select {
				case <-done:
					running = false
				case <-time.After(50 * time.Millisecond):
				}
				stop()
				if stops == 0 && row.calls == replacedCalls {
					require.NotEqual(t, row.calls, b.count(answered)+b.count(noted), "it stops while calls go on")
				}
				_, stop = startBook(t, b, mux.ServerConfig{}, addr)
			}
			t.Logf("%d servers", stops)
			require.False(t, pool.Solo())
			require.NoError(t, pool.Close())
			l.close()
			stop()
			b.complete(t)
		})
	}
}

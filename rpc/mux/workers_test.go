package mux

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// working is how many workers there are.
func working() int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "created by spillway/rpc/mux.(*workers).run")
}

func TestWorkers_AreAsManyAsCallsAndGoSoonAfter(t *testing.T) {
	const calls = 500
	var held sync.WaitGroup
	h := fakeEcho{after: func(context.Context, []byte, int64) ([]byte, error) {
		held.Done()
		held.Wait()
		return nil, nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		together := func(n int) {
			held.Add(n)
			var callers sync.WaitGroup
			for range n {
				callers.Go(func() {
					_, err := client(p).After(t.Context(), nil, 0)
					require.NoError(t, err)
				})
			}
			callers.Wait()
			synctest.Wait()
		}
		together(calls)
		require.Equal(t, calls, working())
		together(calls)
		require.Equal(t, calls, working(), "the same ones")
		for range 5 { // what is needed stays
			together(calls / 10)
			time.Sleep(workerTrim / 2)
		}
		synctest.Wait()
		require.Equal(t, calls/10, working())
		time.Sleep(3 * workerTrim)
		synctest.Wait()
		require.Zero(t, working())
		together(3)
		require.Equal(t, 3, working())
	})
	require.Zero(t, working(), "they end with the server")
}

func TestWorkers_OneThatBreaksServesOn(t *testing.T) {
	h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
		if len(data) == 0 {
			panic("no data")
		}
		return data, nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		requireEchoes(t, p, "the first")
		synctest.Wait()
		before := working() // one, or two where the first call came before the ping's was done
		for range 3 {
			_, err := client(p).Echo(t.Context(), nil)
			require.ErrorContains(t, err, "echo broke")
			synctest.Wait()
			requireEchoes(t, p, "after it")
			synctest.Wait()
		}
		require.Equal(t, before, working())
	})
}

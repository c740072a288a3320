package isolate

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestServe_StartedByHandSaysSo(t *testing.T) {
	err := Serve(handle)
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Contains(t, job.Describe(err), "this mode is for child processes")
}

func TestInline_DoesAtMostItsSizeAtOnce(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{})
	in := NewInline(2, func(context.Context, int) (int, error) {
		most.Store(max(most.Load(), now.Add(1)))
		<-gate
		now.Add(-1)
		return 1, nil
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { _, _ = in.Do(t.Context(), i) })
	}
	for range 20 {
		gate <- struct{}{}
	}
	wg.Wait()
	require.LessOrEqual(t, most.Load(), int64(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	full := NewInline(1, func(context.Context, int) (int, error) { return 0, nil })
	full.slots <- struct{}{}
	_, err := full.Do(ctx, 1)
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestConfig_Validate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	for name, c := range map[string]Config{
		"negative size": {Size: -1}, "negative timeout": {Timeout: -1},
		"negative grace": {Grace: -1}, "tiny memory": {Memory: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, job.InvalidArgument, job.CodeOf(c.Validate()))
			require.Error(t, New[order, string](c, nil, quiet()).Run(t.Context()))
		})
	}
}

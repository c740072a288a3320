package operation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestNone_TakesAsLongAsItIsTold(t *testing.T) {
	for ms, want := range map[string]time.Duration{"0": 0, "25": 25 * time.Millisecond, "0.5": 500 * time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			require.NoError(t, none{}.Run(t.Context(), nil, job.Args{"ms": ms}))
			require.Equal(t, want, time.Since(start))
		})
	}
}

func TestNone_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, none{}.Run(ctx, nil, job.Args{"ms": "60000"}), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}

package account

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func TestAccounts_TooManyLoginsAtOnceAreTurnedAwayAndNotCountedAsTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Cost: Cost{Memory: 64, Passes: 1}, Hashes: 1, Tries: 1}, store.NewMemory())
		require.NoError(t, a.Add(t.Context(), "ada", "correct horse", job.Viewer))
		hot := make(chan struct{})
		var wg sync.WaitGroup
		for range 1 + waitersEach {
			wg.Go(func() { _ = a.kiln.run(context.WithoutCancel(t.Context()), func() { <-hot }) })
		}
		synctest.Wait()
		_, _, err := a.Login(t.Context(), "ada", "correct horse", "1.1.1.1")
		require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
		require.Equal(t, time.Second, job.AsError(err).RetryAfter)
		require.Equal(t, job.ResourceExhausted, job.CodeOf(a.Add(t.Context(), "bob", "correct horse", job.Viewer)))
		close(hot)
		wg.Wait()
		_, _, err = a.Login(t.Context(), "ada", "correct horse", "1.1.1.1")
		require.NoError(t, err)
	})
}

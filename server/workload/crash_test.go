package workload_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
	"spillway/server/workload"
)

// removing is a store that does something in place of removing a workload.
type removing struct {
	*store.Memory
	remove func() error
}

func (r removing) RemoveWorkload(context.Context, int64) error { return r.remove() }

func TestDelete_NoFilesStayUnderANameThatMayBeGivenAgain(t *testing.T) {
	dir := t.TempDir()
	kept := removing{store.NewMemory(), func() error {
		require.NoDirExists(t, filepath.Join(dir, "a"), "a server that ends right behind this forgets the folder")
		return nil
	}}
	w, err := workload.New(workload.Config{Dir: dir}, newService(), kept, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := create(t, w)
	upload(t, w, l.ID, jpeg)
	require.NoError(t, w.Delete(t.Context(), l.ID))
	require.Empty(t, files(t, dir))
}

func TestDelete_ThatTheStoreRefusesLeavesTheFiles(t *testing.T) {
	dir, down := t.TempDir(), job.E(job.Unavailable, "remove", errors.New("the database is away"), "")
	kept := removing{store.NewMemory(), func() error { return down }}
	w, err := workload.New(workload.Config{Dir: dir}, newService(), kept, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := create(t, w)
	upload(t, w, l.ID, jpeg)
	require.ErrorIs(t, w.Delete(t.Context(), l.ID), down)
	require.Equal(t, []string{"a/original/0.jpg"}, files(t, dir))
}

func TestRun_AWorkloadWhoseFolderCannotBeMadeHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w, bad := open(t, workload.Config{Dir: dir}, newService())
		good, err := w.Create(t.Context(), "b", job.Operation{Name: "blur"})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, bad.Dir), nil, 0o600))
		u, err := w.Receive(t.Context(), strings.NewReader(jpeg), -1)
		require.NoError(t, err)
		_, err = w.Keep(t.Context(), bad.ID, u)
		require.Error(t, err)
		upload(t, w, good.ID, jpeg)
		go func() { _ = w.Run(t.Context()) }()
		time.Sleep(time.Minute)
		p, err := w.WorkloadProgress(t.Context(), good.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{0}, p.Done)
	})
}

func TestCancel_EndsAJobThatTheServiceRefusesForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.refuse = job.E(job.ResourceExhausted, "submit", errors.New("too many jobs wait"), "")
		w, l := open(t, workload.Config{Dir: t.TempDir()}, s)
		upload(t, w, l.ID, jpeg)
		go func() { _ = w.Run(t.Context()) }()
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, w.Cancel(t.Context(), l.ID))
		s.refuseWith(nil)
		time.Sleep(time.Minute)
		requireCancelled(t, w, l)
	})
}

func TestRun_CountsWhatIsInAJobOnceForTheQuota(t *testing.T) {
	dir, s, kept := t.TempDir(), newService(), store.NewMemory()
	var l job.Workload
	for round := range 2 {
		synctest.Test(t, func(t *testing.T) {
			s.refuse = job.E(job.Unavailable, "submit", errors.New("the service is away"), "")
			w, err := workload.New(workload.Config{Dir: dir, Quota: int64(3 * len(jpeg))}, s, kept, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			if round == 0 {
				l = create(t, w)
				upload(t, w, l.ID, jpeg)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _ = w.Run(ctx) }()
			time.Sleep(time.Minute)
			if round == 1 {
				upload(t, w, l.ID, jpeg)
				upload(t, w, l.ID, jpeg)
			}
			cancel()
			synctest.Wait()
		})
	}
}

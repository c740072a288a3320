package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/lock"
	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func TestPostgres(t *testing.T) {
	p := startPostgres(t)
	t.Run("alone", func(t *testing.T) {
		exercise(t, func(t testing.TB) keeper { return openPostgres(t, p.schema(t)) })
	})
	t.Run("servers that start at once", func(t *testing.T) { startsAtOnce(t, p) })
	t.Run("two servers share the work", func(t *testing.T) { sharesWork(t, p) })
	t.Run("one server at a time migrates", func(t *testing.T) { migratesAlone(t, p) })
	t.Run("a claim under way", func(t *testing.T) { waitsForClaim(t, p) })
	t.Run("a newer schema", func(t *testing.T) { refusesNewerSchema(t, p) })
	t.Run("a crash of the database", func(t *testing.T) { survivesCrash(t, p) })
}

func startsAtOnce(t *testing.T, p *postgres) {
	at := p.schema(t)
	var servers sync.WaitGroup
	for range 4 {
		servers.Go(func() {
			s, err := store.OpenPostgres(t.Context(), at, store.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	servers.Wait()
}

func migratesAlone(t *testing.T, p *postgres) {
	at := p.schema(t)
	other, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), "SELECT pg_advisory_lock($1)", lock.DefaultLockID)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = store.OpenPostgres(ctx, at, store.Config{})
	require.Error(t, err, "another server migrates")
	require.NoError(t, other.Close(t.Context()))
	require.NoError(t, openPostgres(t, at).Close())
}

// waitsForClaim has another server's claim commit between the moment in which a
// result is told and the one in which it is kept.
func waitsForClaim(t *testing.T, p *postgres) {
	at := p.schema(t)
	s := openPostgres(t, at)
	defer func() { require.NoError(t, s.Close()) }()
	submit(t, s, "a", 1)
	other, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(context.WithoutCancel(t.Context()))) }()
	claim, err := other.Begin(t.Context())
	require.NoError(t, err)
	_, err = claim.Exec(t.Context(), "UPDATE jobs SET epoch = epoch + 1, owner = 'you'")
	require.NoError(t, err)

	told := make(chan error, 1)
	go func() { told <- s.Finish(t.Context(), done("a", 1, 0)) }()
	require.Eventually(t, func() bool {
		var waiting int
		err := claim.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting)
		return err == nil && waiting > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, claim.Commit(t.Context()))
	require.ErrorIs(t, <-told, store.ErrStale)
	require.Equal(t, []int64{0}, pending(t, s, "a"))
}

// sharesWork has two servers claim jobs by very short leases and write against
// each other.
func sharesWork(t *testing.T, p *postgres) {
	at := p.schema(t)
	one, two := openPostgres(t, at), openPostgres(t, at)
	defer func() { require.NoError(t, errors.Join(one.Close(), two.Close())) }()
	const jobs, tasks = 5, 40
	for i := range jobs {
		_, _, err := one.Submit(t.Context(), store.Submission{
			Spec: job.Spec{ID: job.ID('a' + rune(i)), Source: "data"}, Created: noon(), Inputs: numbered(tasks),
		})
		require.NoError(t, err)
	}
	var kept atomic.Int64
	var servers sync.WaitGroup
	for name, s := range map[string]*store.SQL{"one": one, "two": two} {
		servers.Go(func() {
			for kept.Load() < jobs*tasks && !t.Failed() {
				claimed, err := s.Claim(t.Context(), name, 2*time.Millisecond)
				if err != nil {
					t.Error(err)
				}
				var writers sync.WaitGroup
				for _, j := range claimed {
					inputs, err := s.Pending(t.Context(), j.ID, -1, 10)
					if err != nil {
						t.Error(err)
					}
					for _, in := range inputs {
						writers.Go(func() {
							s.Note(store.Interim{Job: j.ID, Epoch: j.Epoch, Tally: job.Tally{Node: "node_0", Rejected: 1}})
							switch err := s.Finish(t.Context(), done(j.ID, j.Epoch, in.Index)); {
							case err == nil:
								kept.Add(1)
							case !errors.Is(err, store.ErrStale):
								t.Error(err)
							}
						})
					}
				}
				writers.Wait()
				held := map[job.ID]int64{}
				for _, j := range claimed {
					held[j.ID] = j.Epoch
				}
				if _, _, err := s.Renew(t.Context(), name, time.Millisecond, held); err != nil {
					t.Error(err)
				}
			}
		})
	}
	servers.Wait()
	require.EqualValues(t, jobs*tasks, kept.Load())
	list, err := two.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	for _, j := range list {
		require.EqualValues(t, tasks, j.Done)
		require.Empty(t, pending(t, one, j.ID))
	}
}

func refusesNewerSchema(t *testing.T, p *postgres) {
	at := p.schema(t)
	require.NoError(t, openPostgres(t, at).Close())
	conn, err := pgx.Connect(t.Context(), at)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	_, err = store.OpenPostgres(t.Context(), at, store.Config{})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.ErrorContains(t, err, "its schema is 99")
}

// survivesCrash ends the database while it is written to, and starts it again.
func survivesCrash(t *testing.T, p *postgres) {
	s := openPostgres(t, p.schema(t))
	defer func() { require.NoError(t, s.Close()) }()
	const tasks, writers = 100_000, 16
	submit(t, s, "a", tasks)
	var next, kept atomic.Int64
	var acknowledged sync.Map
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < tasks; i = next.Add(1) - 1 {
				if err := s.Finish(t.Context(), done("a", 1, i)); err != nil {
					if job.CodeOf(err) != job.Unavailable || job.HintOf(err) == "" {
						t.Error(err)
					}
					return
				}
				acknowledged.Store(i, true)
				kept.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return kept.Load() > 500 }, 30*time.Second, time.Millisecond)
	p.stop(t, syscall.SIGQUIT)
	all.Wait()
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Rejected: 1}})
	require.Equal(t, job.Unavailable, job.CodeOf(s.Finish(t.Context(), done("a", 1, tasks-1))))
	_, err := s.Job(t.Context(), "a")
	require.Equal(t, job.Unavailable, job.CodeOf(err))

	p.start(t)
	require.Eventually(t, func() bool { return s.Finish(t.Context(), done("a", 1, tasks-1)) == nil }, 30*time.Second, 10*time.Millisecond)
	for _, i := range pending(t, s, "a") {
		_, was := acknowledged.Load(i)
		require.False(t, was, "task %d was acknowledged, and is gone", i)
	}
	j := reread(t, s, "a")
	require.GreaterOrEqual(t, j.Done, kept.Load()+1)
	require.EqualValues(t, 1, j.Nodes[0].Rejected, "the note waited for the database")
}

func TestPostgres_SaysWhatIsWrongWithTheAddress(t *testing.T) {
	_, err := store.OpenPostgres(t.Context(), "postgres://me:secret@host:port/x", store.Config{})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.NotContains(t, job.Describe(err), "secret")
	require.Contains(t, job.HintOf(err), "postgres://")
	_, err = store.OpenPostgres(t.Context(), "postgres://me:secret@/x?host="+t.TempDir(), store.Config{})
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.NotContains(t, job.Describe(err), "secret")
	require.NotEmpty(t, job.HintOf(err))
}

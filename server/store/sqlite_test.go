package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func TestSQLite_OneServerHasADirectory(t *testing.T) {
	dir := t.TempDir()
	first := openSQLite(t, dir)
	_, err := store.OpenSQLite(t.Context(), dir, store.Config{})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Contains(t, job.Describe(err), "another server uses it")
	require.Contains(t, job.HintOf(err), "--state")
	require.NoError(t, first.Close())
	second := openSQLite(t, dir)
	require.NoError(t, second.Close())
	require.NoError(t, second.Close(), "closing twice does no harm")
}

func TestSQLite_ReopeningKeepsAllAndFreesTheJobs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%41", "state")
	s := openSQLite(t, dir)
	before := submit(t, s, "a", 3)
	finish(t, s, done("a", 1, 1))
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Rejected: 1}})
	require.NoError(t, s.Close())

	s = openSQLite(t, dir)
	defer func() { require.NoError(t, s.Close()) }()
	require.FileExists(t, filepath.Join(dir, "spillway.db"))
	j := reread(t, s, "a")
	require.Equal(t, before.Spec, j.Spec)
	require.EqualValues(t, 1, j.Done)
	require.Equal(t, []job.Tally{{Node: "node_0", Done: 1, Rejected: 1, Busy: 2 * time.Millisecond}}, j.Nodes, "a note that waited leaves when the store closes")
	claimed, err := s.Claim(t.Context(), "next", time.Hour)
	require.NoError(t, err)
	require.Equal(t, []job.ID{"a"}, ids(claimed), "its owner is gone, whatever its lease")
	require.Equal(t, []int64{0, 2}, pending(t, s, "a"))
}

func TestSQLite_RefusesWhatANewerProgramMade(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, openSQLite(t, dir).Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, "spillway.db"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	for range 2 { // the first refusal leaves nothing open
		_, err = store.OpenSQLite(t.Context(), dir, store.Config{})
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.ErrorContains(t, err, "its schema is 99")
		require.NotEmpty(t, job.HintOf(err))
	}
}

// A database may have seen the migration of music and not the one of workloads, which has
// a lower number.
func TestSQLite_MakesUpForAMigrationThatWasPassedOver(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir)
	before := submit(t, s, "a", 3)
	require.NoError(t, s.Close())
	db, err := sql.Open("sqlite", filepath.Join(dir, "spillway.db"))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "DROP TABLE images; DROP TABLE workloads; DELETE FROM goose_db_version WHERE version_id = 5")
	require.NoError(t, err)
	require.NoError(t, db.Close())

	s = openSQLite(t, dir)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, before.Spec, reread(t, s, "a").Spec)
	_, err = s.AddWorkload(t.Context(), job.Workload{Name: "x"})
	require.NoError(t, err)
}

func TestSQLite_RefusesAPlaceItCannotWrite(t *testing.T) {
	_, err := store.OpenSQLite(t.Context(), "/dev/null/state", store.Config{})
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
	require.Contains(t, job.HintOf(err), "--state")
	_, err = store.OpenSQLite(t.Context(), t.TempDir(), store.Config{NoteDelay: -1})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// auditFile is a small one in a directory of its own.
func auditFile(t *testing.T, most int64) (*AuditFile, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	f, err := OpenAuditFile(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	f.most, f.keep = most, 2
	return f, filepath.Join(dir, "audit.log")
}

func say(t *testing.T, f *AuditFile, lines ...string) {
	t.Helper()
	for _, l := range lines {
		_, err := f.Write([]byte(l + "\n"))
		require.NoError(t, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestAuditFile_FullOnesAreKeptInOrderUntilTheOldestGoes(t *testing.T) {
	f, path := auditFile(t, 10)
	say(t, f, "one", "two", "three", "four", "five", "six", "seven", "eight")
	require.Equal(t, "eight\n", read(t, path))
	require.Equal(t, "six\nseven\n", read(t, path+".1"))
	require.Equal(t, "four\nfive\n", read(t, path+".2"))
	_, err := os.Stat(path + ".3")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAuditFile_NobodyElseMayReadIt(t *testing.T) {
	f, path := auditFile(t, 10)
	say(t, f, "one", "two", "three")
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestAuditFile_ALineThatWasCutOffDoesNotSpoilTheNext(t *testing.T) {
	f, path := auditFile(t, 1000)
	say(t, f, "one")
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(path, []byte("one\ntw"), 0o644)) //nolint:gosec // the file has been made
	f, err := OpenAuditFile(filepath.Dir(path), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer f.Close()
	say(t, f, "three")
	require.Equal(t, "one\ntw\nthree\n", read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAuditFile_WhatCannotBeWrittenGoesToTheLog(t *testing.T) {
	f, path := auditFile(t, 1)
	var log bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	say(t, f, "one")
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	say(t, f, "two")
	require.Contains(t, log.String(), "two")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	say(t, f, "three")
	require.Equal(t, "three\n", read(t, path))
}

func TestAuditFile_WhatAnotherServerHasTurnedIsNotTurnedAgain(t *testing.T) {
	f, path := auditFile(t, 10)
	say(t, f, "one", "two")
	require.NoError(t, os.Rename(path, path+".1"))
	say(t, f, "three")
	require.Equal(t, "three\n", read(t, path))
	require.Equal(t, "one\ntwo\n", read(t, path+".1"))
}

func TestAudit_StrangersCannotFillIt(t *testing.T) {
	a, audit := accountsAPI(t)
	for range 3000 {
		ask(t, a, "nonsense", "DELETE", "/users/x", "")
	}
	lines := strings.Count(audit.String(), "\n")
	require.GreaterOrEqual(t, lines, 1000)
	require.Less(t, lines, 3000)
	ask(t, a, logIn(t, a, "root"), "DELETE", "/users/x", "")
	require.Contains(t, audit.String(), `"user":"root"`, "what is allowed is told all the same")
}

func TestAudit_NorCanTheyWithWhatIsNoLogin(t *testing.T) {
	a, audit := accountsAPI(t)
	for range 1500 {
		require.Equal(t, http.StatusBadRequest, ask(t, a, "", "POST", "/login", "x").Code)
		require.Equal(t, http.StatusTemporaryRedirect, ask(t, a, "", "POST", "//login", "x").Code)
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/x", nil)
		r.Header.Set("Content-Encoding", "gzip")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	}
	require.Less(t, strings.Count(audit.String(), "\n"), 2000)
}

func TestAudit_NorCanWhoMayDoNothingNorHideBehindStrangers(t *testing.T) {
	cfg := config()
	var audit bytes.Buffer
	cfg.Audit = slog.New(slog.NewJSONHandler(&audit, nil))
	a := New(cfg)
	for range 1500 {
		ask(t, a, "", "POST", "/login", "x")
	}
	for range 1500 {
		require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", "DELETE", "/users/x", "").Code)
	}
	told := strings.Count(audit.String(), `"user":"user-viewer"`)
	require.GreaterOrEqual(t, told, 1000)
	require.Less(t, told, 1500)
}

func TestSieve_TellsHowManyItKeptBack(t *testing.T) {
	s := &sieve{burst: 2, every: time.Second}
	now := time.Unix(1000, 0)
	for i, want := range []bool{true, true, false, false} {
		pass, _ := s.let(now)
		require.Equal(t, want, pass, i)
	}
	pass, omitted := s.let(now.Add(time.Second))
	require.True(t, pass)
	require.Equal(t, 2, omitted)
	pass, _ = s.let(now.Add(time.Second))
	require.False(t, pass)
}

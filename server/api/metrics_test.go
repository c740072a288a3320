package api

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetrics_AreForViewersAndTheirScope(t *testing.T) {
	cfg := config()
	cfg.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	a := New(cfg)
	for token, want := range map[string]int{"": 401, "viewer": 200, "admin": 200, "metrics": 200, "node": 403} {
		require.Equal(t, want, ask(t, a, token, http.MethodGet, "/metrics", "").Code, token)
	}
}

func TestProfiles_AreForAdminsAndShort(t *testing.T) {
	a := New(config())
	for token, want := range map[string]int{"": 401, "viewer": 403, "operator": 403, "metrics": 403, "admin": 200} {
		require.Equal(t, want, ask(t, a, token, http.MethodGet, "/debug/pprof/goroutine", "").Code, token)
	}
	for _, seconds := range []string{"61", "-1", "NaN", "x"} {
		w := ask(t, a, "admin", http.MethodGet, "/debug/pprof/profile?seconds="+seconds, "")
		require.Equal(t, 400, w.Code, seconds)
		problem(t, w)
	}
	require.Equal(t, 404, ask(t, a, "admin", http.MethodGet, "/debug/pprof/cmdline", "").Code)
}

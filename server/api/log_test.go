package api

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLog_TellsAdminsTheLastLines(t *testing.T) {
	cfg := config()
	cfg.Lines = NewLogRing(10)
	log := slog.New(cfg.Lines.Handler(slog.NewTextHandler(t.Output(), nil)))
	a := New(cfg)
	type lines struct{ Lines []LogLine }
	require.JSONEq(t, `{"lines":[]}`, ask(t, a, "admin", "GET", "/log", "").Body.String())
	log.Info("one")
	log.Warn("two", "node", "node_0")
	log.Info("three")
	got := answered[lines](t, http.StatusOK, ask(t, a, "admin", "GET", "/log?lines=2", ""))
	require.Len(t, got.Lines, 2)
	require.Equal(t, "two", got.Lines[0].Message)
	require.Equal(t, map[string]string{"node": "node_0"}, got.Lines[0].Attributes)
	require.Equal(t, http.StatusForbidden, ask(t, a, "operator", "GET", "/log", "").Code)
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, a, "admin", "GET", "/log?lines=0", "").Code)
}

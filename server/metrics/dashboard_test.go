package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestDashboard_AsksOnlyForMetricsThatExist(t *testing.T) {
	m := New()
	m.Attempted("pull", "blur", "done", "node_0", time.Second)
	m.Ended(job.TaskDone)
	families, err := m.registry.Gather()
	require.NoError(t, err)
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	text, err := os.ReadFile("../../deploy/grafana/spillway.json")
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	require.NotEmpty(t, board.Panels)
	names := regexp.MustCompile(`\b(spillway|process|go)_\w+`)
	for _, p := range board.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			found := names.FindAllString(target.Expr, -1)
			require.NotEmpty(t, found, p.Title)
			for _, name := range found {
				require.True(t, known[strings.TrimSuffix(name, "_bucket")], "%s: %s", p.Title, name)
			}
		}
	}
}

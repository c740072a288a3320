package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// exported is, of each metric that there is, the names of its labels.
func exported(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	m, s := newBusy()
	line := regexp.MustCompile(`(?m)^([a-z]\w*)(?:\{(.*)\})? `)
	label := regexp.MustCompile(`(\w+)="`)
	for _, found := range line.FindAllStringSubmatch(scrape(t, m, s), -1) {
		if all[found[1]] == nil {
			all[found[1]] = map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(found[2], -1) {
			all[found[1]][l[1]] = true
		}
	}
	require.NotEmpty(t, all)
	return all
}

// requireKnown checks that a query asks for metrics that there are, by labels that they
// have, and returns their names.
func requireKnown(t *testing.T, all map[string]map[string]bool, query string) (names []string) {
	t.Helper()
	metric := regexp.MustCompile(`\b((?:spillway|process|go)_\w+)(?:\{([^}]*)\})?`)
	by := regexp.MustCompile(`\bby \(([^)]*)\)`)
	labels := map[string]bool{}
	for _, found := range metric.FindAllStringSubmatch(query, -1) {
		names = append(names, found[1])
		require.Contains(t, all, found[1], query)
		for l := range all[found[1]] {
			labels[l] = true
		}
		for _, l := range regexp.MustCompile(`(\w+)\s*[=!]`).FindAllStringSubmatch(found[2], -1) {
			require.Contains(t, all[found[1]], l[1], query)
		}
	}
	for _, found := range by.FindAllStringSubmatch(query, -1) {
		for l := range strings.SplitSeq(found[1], ",") {
			require.Contains(t, labels, strings.TrimSpace(l), query)
		}
	}
	return names
}

// panel is one of the dashboard, or a row with others.
type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr string }
}

func TestDashboard_AsksOnlyForMetricsThatExist(t *testing.T) {
	all := exported(t)
	text, err := os.ReadFile("../../deploy/grafana/spillway.json")
	require.NoError(t, err)
	var board struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(text, &board))
	rows, asked := 0, map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range board.Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over another", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows++
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			names := requireKnown(t, all, target.Expr)
			require.NotEmpty(t, names, p.Title)
			for _, name := range names {
				asked[family(name)] = true
			}
		}
	}
	require.GreaterOrEqual(t, rows, 5)
	for name := range all {
		if strings.HasPrefix(name, "spillway_") {
			require.Contains(t, asked, family(name), "the dashboard shows it")
		}
	}
}

// family is the name of a metric without what histograms add to it.
func family(name string) string {
	for _, end := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

func TestAlerts_AskOnlyForMetricsThatExist(t *testing.T) {
	all := exported(t)
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	seen := map[string]bool{}
	for _, g := range file.Groups {
		require.NotEmpty(t, g.Name)
		for _, r := range g.Rules {
			require.NotEmpty(t, r.Alert)
			require.False(t, seen[r.Alert], r.Alert)
			seen[r.Alert] = true
			if !strings.HasPrefix(r.Expr, "up{") {
				require.NotEmpty(t, requireKnown(t, all, r.Expr), r.Alert)
			}
			require.Contains(t, r.Labels, "severity", r.Alert)
			require.Contains(t, r.Annotations, "summary", r.Alert)
			require.Contains(t, r.Annotations, "description", r.Alert)
		}
	}
	require.NotEmpty(t, seen)
}

func TestDocument_NamesEveryMetricAndNoOther(t *testing.T) {
	all := exported(t)
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bspillway_\w+`).FindAllString(string(text), -1) {
		named[family(name)] = true
	}
	there := map[string]bool{}
	for name := range all {
		if strings.HasPrefix(name, "spillway_") {
			there[family(name)] = true
			require.Contains(t, named, family(name))
		}
	}
	for name := range named {
		require.Contains(t, there, name)
	}
	for query := range strings.SplitSeq(string(text), "`") {
		requireKnown(t, all, withoutHistograms(query, all))
	}
}

// withoutHistograms is a query, or a name of a histogram as it is written in a text.
func withoutHistograms(query string, all map[string]map[string]bool) string {
	if _, ok := all[query+"_count"]; ok {
		return query + "_count"
	}
	return query
}

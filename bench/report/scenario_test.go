package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"html"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
)

// played has results of every kind that scenarios leave, with text in them that tries
// to be more than text.
func played(t *testing.T) report.Results {
	t.Helper()
	file, err := os.Open("testdata/scenarios.jsonl")
	require.NoError(t, err)
	defer file.Close()
	rs, err := report.Read(file)
	require.NoError(t, err)
	return rs
}

func rules() map[string]string {
	return map[string]string{"pull": "tasks wait until a node is ready", "p2c": "the better of <two>"}
}

func page(t *testing.T, rs report.Results) string {
	t.Helper()
	text, err := report.Page(rs, rules())
	require.NoError(t, err)
	return text
}

// golden compares got with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestPoliciesMarkdown_IsTheGoldenReport(t *testing.T) {
	got, err := report.PoliciesMarkdown(played(t), rules(), t.TempDir())
	require.NoError(t, err)
	golden(t, "policies.md", got)
}

// The plots are left out of the golden page: they are compared by the eye.
func TestPage_IsTheGoldenReport(t *testing.T) {
	plots := regexp.MustCompile(`(?s)(<svg [^>]*>).*?</svg>`)
	golden(t, "policies.html", plots.ReplaceAllString(page(t, played(t)), "$1</svg>"))
}

func TestPage_IsWellFormed(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(page(t, played(t))))
	decoder.Entity = xml.HTMLEntity
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err)
		}
	}
}

func TestPage_StandsAlone(t *testing.T) {
	got := page(t, played(t))
	for _, loads := range []string{"<script", "<link", "<img", "<iframe", "<object", "<image", "@import", "url(", "http:", "https:", "src="} {
		require.NotContains(t, got, loads)
	}
	for _, match := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(got, -1) {
		require.Contains(t, got, `id="`+strings.TrimPrefix(match[1], "#")+`"`, "every link leads to a place of the page")
	}
}

// What comes from a results file is text, wherever it stands.
func TestReport_TextStaysText(t *testing.T) {
	got := page(t, played(t))
	require.Contains(t, html.UnescapeString(got), "<script>alert(1)</script>|x", "it is there")
	markdown, err := report.PoliciesMarkdown(played(t), rules(), t.TempDir())
	require.NoError(t, err)
	require.NotContains(t, markdown, "<script")
	require.Contains(t, markdown, `alert(1)&lt;/script&gt;\|x`)
}

func TestReport_HasEachCommand(t *testing.T) {
	rs := played(t)
	got := html.UnescapeString(page(t, rs))
	markdown, err := report.PoliciesMarkdown(rs, rules(), t.TempDir())
	require.NoError(t, err)
	for _, r := range rs {
		require.Contains(t, got, "<pre>"+r.Command+"</pre>")
		require.Contains(t, markdown, "\n    "+r.Command+"\n")
	}
}

// Every kind of plot is drawn on the page, and every picture that the Markdown shows
// can be read.
func TestReport_DrawsWhatWasMeasured(t *testing.T) {
	rs, dir := played(t), t.TempDir()
	markdown, err := report.PoliciesMarkdown(rs, rules(), dir)
	require.NoError(t, err)
	shown := regexp.MustCompile(`!\[.*?\]\((.*?)\)`).FindAllStringSubmatch(markdown, -1)
	require.Equal(t, len(shown), strings.Count(page(t, rs), "<svg "))
	var names strings.Builder
	for _, match := range shown {
		names.WriteString(match[1] + "\n")
		data, err := os.ReadFile(filepath.Join(dir, match[1]))
		require.NoError(t, err)
		_, err = png.Decode(bytes.NewReader(data))
		require.NoError(t, err)
	}
	for _, kind := range []string{"makespan_ratio", "makespan", "latency_cdf", "p99", "goodput", "attempts", "moment", "share", "gantt", "decision"} {
		require.Contains(t, names.String(), "-"+kind)
	}
}

func TestReport_LeavesOutWhatWasNotPlayed(t *testing.T) {
	for _, rs := range []report.Results{nil, fixed(t), played(t)[:1]} {
		got := page(t, rs)
		require.NotContains(t, got, `id="S7"`)
		require.NotContains(t, got, `id="targets"`)
		require.NotContains(t, got, "--quick")
	}
	got := page(t, played(t))
	require.NotContains(t, got, `id="S13"`)
	require.Contains(t, got, "ask:</strong> S11, with", "what was played smaller is named")
}

// Values that no plot can show make no plot, and no crash.
func TestReport_BearsEveryValue(t *testing.T) {
	odd := []string{"", "x", "-1", "NaN", "Inf", "1", "1e300"}
	names := []string{report.Verdict, report.Metric, report.CDF, report.Goodput, report.Span, report.Share, report.Moment}
	metrics := []string{"makespan", "makespan_ratio", "p99", "attempts", "goodput", "other"}
	var rs report.Results
	for i, value := range []float64{0, -1, 1e-300, 1e300, 5} {
		for j, text := range odd {
			for k, name := range names {
				params := map[string]string{"scenario": "S1", "metric": metrics[(i+j+k)%len(metrics)]}
				for _, key := range []string{"policy", "q", "load", "offered", "node", "start", "step", "at"} {
					params[key] = text
				}
				rs = append(rs, report.Result{Name: name, Params: params, Value: value, Unit: "s"})
			}
		}
	}
	for n := range names {
		var of report.Results
		for _, r := range rs {
			if r.Name == names[n] {
				of = append(of, r)
			}
		}
		page(t, of)
	}
	page(t, rs)
}

func TestPage_AdvisesByIntervals(t *testing.T) {
	figure := func(policy string, value, low, high float64) report.Result {
		return report.Result{
			Name: report.Metric, Params: map[string]string{"scenario": "S8", "policy": policy, "metric": "p99"},
			Value: value, Low: low, High: high, N: 30, Unit: "s",
		}
	}
	got := page(t, report.Results{
		figure("central", 1, .9, 1.1), figure("prequal", 2, 1.9, 2.1), figure("pull", 2.2, 2.05, 2.4), figure("p2c", 9, 8, 10),
	})
	require.Contains(t, got, `<th scope="row">pull</th><td>p99 2.2 s<span class="range">2.05–2.4 s</span></td><td>prequal</td><td>p2c 9 s</td>`)
}

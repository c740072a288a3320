package report_test

import (
	"bytes"
	"flag"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
)

var update = flag.Bool("update", false, "write testdata/report.md anew")

func fixed(t *testing.T) report.Results {
	t.Helper()
	file, err := os.Open("testdata/results.jsonl")
	require.NoError(t, err)
	defer file.Close()
	rs, err := report.Read(file)
	require.NoError(t, err)
	return rs
}

func TestMarkdown_IsTheGoldenReport(t *testing.T) {
	got := report.Markdown(fixed(t))
	if *update {
		require.NoError(t, os.WriteFile("testdata/report.md", []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/report.md")
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestMarkdown_LeavesOutWhatWasNotMeasured(t *testing.T) {
	require.NotPanics(t, func() {
		require.NotContains(t, report.Markdown(nil), "##")
		require.NotContains(t, report.Markdown(fixed(t)[:1]), "##")
	})
}

// Every picture that the report shows is written, and can be read.
func TestPlots_MakesEveryPictureOfTheReport(t *testing.T) {
	dir := t.TempDir()
	rs := fixed(t)
	require.NoError(t, report.Plots(rs, dir))
	shown := regexp.MustCompile(`!\[.*?\]\((.*?)\)`).FindAllStringSubmatch(report.Markdown(rs), -1)
	require.Len(t, shown, 4)
	for _, match := range shown {
		data, err := os.ReadFile(filepath.Join(dir, match[1]))
		require.NoError(t, err)
		_, err = png.Decode(bytes.NewReader(data))
		require.NoError(t, err)
	}
	require.NoError(t, report.Plots(nil, t.TempDir()))
}

func TestResults_SurviveWritingAndReading(t *testing.T) {
	rs := fixed(t)
	var file bytes.Buffer
	for _, r := range rs {
		require.NoError(t, report.Write(&file, r))
	}
	again, err := report.Read(&file)
	require.NoError(t, err)
	require.Equal(t, rs, again)
}

func TestRead_NamesTheLineThatIsNoResult(t *testing.T) {
	_, err := report.Read(bytes.NewBufferString("{}\nrubbish\n"))
	require.ErrorContains(t, err, "line 2")
}

func TestStat_OfKnownSamples(t *testing.T) {
	rows := []struct {
		name         string
		xs           []float64
		mean, median float64
	}{
		{"one", []float64{3}, 3, 3},
		{"even", []float64{4, 1, 2, 3}, 2.5, 2.5},
		{"odd, with an outlier", []float64{1, 100, 2}, 34 + 1./3, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			before := append([]float64(nil), row.xs...)
			require.InDelta(t, row.mean, report.Mean(row.xs), 1e-12)
			require.InDelta(t, row.median, report.Median(row.xs), 1e-12)
			require.Equal(t, before, row.xs, "the sample is left as it was")
		})
	}
	low, high := report.Interval(nil, 1)
	for _, x := range []float64{report.Mean(nil), report.Median(nil), low, high} {
		require.True(t, math.IsNaN(x), "of nothing there is no figure")
	}
}

// The interval is as wide as the normal one, 2 · 1.96 · σ/√n, and holds the true
// mean in about 95 of 100 samples.
func TestInterval_CoversTheMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const n, samples = 60, 200
	covered, width := 0, 0.0
	for s := range uint64(samples) {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = rng.NormFloat64() + 7
		}
		low, high := report.Interval(xs, s)
		width += (high - low) / samples
		if low <= 7 && 7 <= high {
			covered++
		}
	}
	require.InDelta(t, 2*1.96/math.Sqrt(n), width, .02)
	require.InDelta(t, .95*samples, float64(covered), 10)

	low, high := report.Interval([]float64{2, 2, 2}, 1)
	require.Equal(t, []float64{2, 2}, []float64{low, high})
}

package report_test

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
	"spillway/bench/rpc/report"
)

// results has two peers under one case, in a warm-up round and three that count.
func results() report.Results {
	rs := report.Results{
		Command: "bench-rpc", Rounds: 3, Seed: 7, Cases: []string{load.Tiny256},
		Peers: []report.Peer{{Name: peer.Own, Version: "this tree"}, {Name: peer.Base, Version: "v1"}},
	}
	add := func(round int, name string, calls, p99 float64) {
		m := load.Measured{CallsPerSecond: calls, P99: p99, Allocations: 9}
		rs.Samples = append(rs.Samples, report.Sample{Round: round, Case: load.Tiny256, Peer: name, Measured: m})
	}
	add(0, peer.Own, 1, 1)
	add(0, peer.Base, 1000, 1)
	add(1, peer.Own, 60_000, 100)
	add(1, peer.Base, 10_000, 400)
	add(2, peer.Own, 160_000, 100)
	add(2, peer.Base, 40_000, 400)
	add(3, peer.Own, 100_000, 100)
	add(3, peer.Base, 20_000, 150)
	return rs
}

func TestMarkdown_RatiosAreOfTheSameRound(t *testing.T) {
	text := report.Markdown(results())
	require.Contains(t, text, "| tiny, 256 callers | 5.00 (4.00 to 6.00) | 1 |\n", "the warm-up round does not count")
	require.Contains(t, text, "| tiny, 256 callers | 100,000 | 20,000 |\n", "medians")
	require.Contains(t, text, "seed 7")
	require.Contains(t, text, "Rounds: 3 after a warm-up round")
}

func TestMarkdown_TellsWhichTargetsWereMet(t *testing.T) {
	rows := []struct {
		name   string
		change func(*report.Sample)
		want   string
	}{
		{"speed met, on the line", nil, "| calls/s, tiny, 256 callers | 5.00 (4.00 to 6.00) × | ≥ 5 × | met |"},
		{"speed missed", func(s *report.Sample) {
			if s.Peer == peer.Own {
				s.CallsPerSecond *= .99
			}
		}, "| calls/s, tiny, 256 callers | 4.95 (3.96 to 5.94) × | ≥ 5 × | **missed** |"},
		{"p99 met", nil, "| p99, tiny, 256 callers | 0.250 (0.250 to 0.667) × | ≤ 0.5 × | met |"},
		{"p99 missed", func(s *report.Sample) {
			if s.Peer == peer.Own {
				s.P99 *= 3
			}
		}, "| p99, tiny, 256 callers | 0.750 (0.750 to 2.00) × | ≤ 0.5 × | **missed** |"},
		{"allocations met", nil, "9.00 (9.00 to 9.00) | ≤ 10 | met |"},
		{"allocations missed", func(s *report.Sample) { s.Allocations = 11 }, "11.0 (11.0 to 11.0) | ≤ 10 | **missed** |"},
		{"not measured", nil, "| calls/s, 5 MB, 4 callers | – | ≥ 2.5 × | not measured |"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			rs := results()
			for i := range rs.Samples {
				if row.change != nil {
					row.change(&rs.Samples[i])
				}
			}
			require.Contains(t, report.Markdown(rs), row.want)
		})
	}
}

func TestMarkdown_NamesWhatFailed(t *testing.T) {
	rs := results()
	for i := range rs.Samples {
		if rs.Samples[i].Peer == peer.Base {
			rs.Samples[i].Error, rs.Samples[i].Measured = "conn closed", load.Measured{}
		}
	}
	text := report.Markdown(rs)
	require.Contains(t, text, "FAILED: grpc-go, tiny, 256 callers, round 2: conn closed")
	require.Contains(t, text, "| tiny, 256 callers | 100,000 | failed |\n")
	require.Contains(t, text, "| calls/s, tiny, 256 callers | – | ≥ 5 × | not measured |", "no ratio without the other")
}

func TestMarkdown_LeavesOutWhatWasNotTried(t *testing.T) {
	rs := results()
	rs.Peers = append(rs.Peers, report.Peer{Name: "spillway unix"})
	require.Contains(t, report.Markdown(rs), "| tiny, 256 callers | 5.00 (4.00 to 6.00) | 1 | – |\n")
}

func TestResults_AreReadAsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rpc.json")
	require.NoError(t, results().Write(file))
	again, err := report.Read(file)
	require.NoError(t, err)
	require.Equal(t, results(), again)

	require.NoError(t, os.WriteFile(file, []byte("nonsense"), 0o600))
	_, err = report.Read(file)
	require.ErrorContains(t, err, file)
}

func TestPlots_ArePictures(t *testing.T) {
	rows := []struct {
		name   string
		change func(*report.Results)
		want   []string
	}{
		{"all there", func(*report.Results) {}, []string{"rpc-p99.png", "rpc-ratio.png"}},
		{"the base failed once", func(rs *report.Results) { rs.Samples[3].Error = "x" }, []string{"rpc-p99.png", "rpc-ratio.png"}},
		{"the base failed always", func(rs *report.Results) {
			rs.Samples[3].Error, rs.Samples[5].Error, rs.Samples[7].Error = "x", "x", "x"
		}, []string{"rpc-p99.png"}},
		{"the base alone", func(rs *report.Results) { rs.Peers = rs.Peers[1:] }, []string{"rpc-p99.png"}},
		{"nothing at all", func(rs *report.Results) {
			for i := range rs.Samples {
				rs.Samples[i].Error = "x"
			}
		}, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			rs, dir := results(), t.TempDir()
			row.change(&rs)
			require.NoError(t, report.Plots(rs, filepath.Join(dir, "rpc")))
			files, err := filepath.Glob(filepath.Join(dir, "*.png"))
			require.NoError(t, err)
			var names []string
			for _, file := range files {
				names = append(names, strings.TrimPrefix(file, dir+"/"))
				f, err := os.Open(file)
				require.NoError(t, err)
				picture, err := png.Decode(f)
				require.NoError(t, err)
				require.Greater(t, picture.Bounds().Dx(), 1000)
				require.NoError(t, f.Close())
			}
			require.Equal(t, row.want, names)
		})
	}
}

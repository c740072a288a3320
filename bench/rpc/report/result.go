// Package report turns what was measured into ratios, a table and plots.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"spillway/bench/rpc/load"
)

// Sample is one window of one peer under one case.
type Sample struct {
	Round int    `json:"round"` // 0 is the warm-up, which no figure counts
	Case  string `json:"case"`
	Peer  string `json:"peer"`
	load.Measured
	Error string `json:"error,omitempty"` // why there are no figures
}

// Peer is a column of the report.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Note    string `json:"note"`
}

// Results are a whole run.
type Results struct {
	Command string    `json:"command"`
	Started time.Time `json:"started"`
	Seed    uint64    `json:"seed"`
	Rounds  int       `json:"rounds"` // that count
	Settle  string    `json:"settle"` // load before each window
	Window  string    `json:"window"`
	// Together tells that client and server were one process.
	Together bool     `json:"together,omitempty"`
	Machine  Machine  `json:"machine"`
	Peers    []Peer   `json:"peers"`
	Cases    []string `json:"cases"`
	Samples  []Sample `json:"samples"`
}

// Machine is what the run went on.
type Machine struct {
	Cores int    `json:"cores"`
	CPU   string `json:"cpu"`
	OS    string `json:"os"`
	Go    string `json:"go"`
	Load  string `json:"load"` // average before the run, of 1, 5 and 15 minutes
}

// Write makes the file. Errors: the file cannot be written.
func (rs Results) Write(file string) error {
	data, err := json.MarshalIndent(rs, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// Read reads what Write wrote. Errors: the file cannot be read, or is no result.
func Read(file string) (Results, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Results{}, err
	}
	var rs Results
	if err := json.Unmarshal(data, &rs); err != nil {
		return Results{}, fmt.Errorf("%s: %w", file, err)
	}
	return rs, nil
}

// figure is a number of a sample.
type figure func(Sample) float64

func callsPerSecond(s Sample) float64 { return s.CallsPerSecond }
func bulkPerSecond(s Sample) float64  { return s.BulkPerSecond }
func p50(s Sample) float64            { return s.P50 }
func p99(s Sample) float64            { return s.P99 }
func allocations(s Sample) float64    { return s.Allocations }
func kilobytes(s Sample) float64      { return s.Allocated / 1000 }
func cpu(s Sample) float64            { return s.CPU }
func memory(s Sample) float64         { return float64(s.PeakMemory) / 1e6 }

// values are the figures of a peer under a case, by round.
func (rs Results) values(c, peer string, of figure) map[int]float64 {
	found := map[int]float64{}
	for _, s := range rs.Samples {
		if s.Round > 0 && s.Case == c && s.Peer == peer && s.Error == "" {
			found[s.Round] = of(s)
		}
	}
	return found
}

// spread is the middle of some numbers, and their ends.
type spread struct {
	n                 int
	median, low, high float64
}

func newSpread(xs []float64) spread {
	if len(xs) == 0 {
		return spread{}
	}
	slices.Sort(xs)
	n := len(xs)
	return spread{n, (xs[(n-1)/2] + xs[n/2]) / 2, xs[0], xs[n-1]}
}

// spread is that of a peer's figures under a case.
func (rs Results) spread(c, peer string, of figure) spread {
	var xs []float64
	for _, x := range rs.values(c, peer, of) {
		xs = append(xs, x)
	}
	return newSpread(xs)
}

// ratio is that of a peer's figure to another's in the same round.
func (rs Results) ratio(c, peer, base string, of figure) spread {
	mine, theirs := rs.values(c, peer, of), rs.values(c, base, of)
	var xs []float64
	for round, x := range mine {
		if y, ok := theirs[round]; ok && y > 0 {
			xs = append(xs, x/y)
		}
	}
	return newSpread(xs)
}

// failed are the samples without figures.
func (rs Results) failed() []Sample {
	return slices.DeleteFunc(slices.Clone(rs.Samples), func(s Sample) bool { return s.Error == "" })
}

// has tells whether a peer was measured under a case.
func (rs Results) has(c, peer string) bool {
	return slices.ContainsFunc(rs.Samples, func(s Sample) bool { return s.Case == c && s.Peer == peer })
}

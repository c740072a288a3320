package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
)

// Markdown is the report's text: what was run, the targets, and a table for each
// figure.
func Markdown(rs Results) string {
	var w strings.Builder
	rs.head(&w)
	rs.targetTable(&w)
	fmt.Fprintf(&w, "\nCalls/s ÷ those of %s in the same round: median (lowest to highest).\n\n", peer.Base)
	rs.table(&w, rs.Cases, func(c, p string) string {
		if p == peer.Base {
			return "1"
		}
		return rs.ratio(c, p, peer.Base, callsPerSecond).String()
	})
	for _, t := range []struct {
		what string
		of   figure
	}{
		{"Calls/s, medians of the rounds.", callsPerSecond},
		{"p50 in µs, medians of the rounds.", p50},
		{"p99 in µs, medians of the rounds.", p99},
		{"Objects allocated a call, client and server together.", allocations},
		{"KB allocated a call, client and server together.", kilobytes},
		{"CPU time a call in µs, client and server together, user and system.", cpu},
		{"Peak resident memory in MB, client and server together.", memory},
	} {
		fmt.Fprintf(&w, "\n%s\n\n", t.what)
		rs.table(&w, rs.Cases, func(c, p string) string { return rs.spread(c, p, t.of).short() })
	}
	rs.bulkTable(&w)
	rs.peerTable(&w)
	for _, s := range rs.failed() {
		fmt.Fprintf(&w, "\nFAILED: %s, %s, round %d: %s\n", s.Peer, title(s.Case), s.Round, s.Error)
	}
	return w.String()
}

func (rs Results) head(w *strings.Builder) {
	m := rs.Machine
	fmt.Fprintf(w, "`%s` on %s: %d cores (%s), %s, %s, load average before it %s, seed %d.\n",
		rs.Command, rs.Started.UTC().Format("2006-01-02 15:04 UTC"), m.Cores, m.CPU, m.OS, m.Go, m.Load, rs.Seed)
	warmUp := "without a warm-up round"
	if slices.ContainsFunc(rs.Samples, func(s Sample) bool { return s.Round == 0 }) {
		warmUp = "after a warm-up round"
	}
	fmt.Fprintf(w, "Rounds: %d %s, the peers in a new order for each case; a window of %s after %s of load.\n",
		rs.Rounds, warmUp, rs.Window, rs.Settle)
	processes := "Client and server are two new processes"
	if rs.Together {
		processes = "Client and server are one process, a new one"
	}
	w.WriteString(processes + " for each window, share all cores, and are pinned to none.\n\n")
}

func (rs Results) targetTable(w *strings.Builder) {
	fmt.Fprintf(w, "| %s (× = ÷ %s in the same round) | median (lowest to highest) | target | |\n|---|---|---|---|\n", peer.Own, peer.Base)
	for _, t := range targets() {
		s := t.reached(rs)
		shown, verdict := s.String()+t.unit, "**missed**"
		switch {
		case s.n == 0:
			shown, verdict = "–", "not measured"
		case t.met(s):
			verdict = "met"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", t.what, shown, t.bound(), verdict)
	}
}

// table has a row a case and a column a peer; columns and rows without a sample
// are left out.
func (rs Results) table(w *strings.Builder, cases []string, cell func(c, p string) string) {
	w.WriteString("| |")
	for _, p := range rs.Peers {
		fmt.Fprintf(w, " %s |", p.Name)
	}
	w.WriteString("\n|---|" + strings.Repeat("---|", len(rs.Peers)) + "\n")
	for _, c := range cases {
		fmt.Fprintf(w, "| %s |", title(c))
		for _, p := range rs.Peers {
			text := "–"
			if rs.has(c, p.Name) {
				text = cell(c, p.Name)
			}
			fmt.Fprintf(w, " %s |", text)
		}
		w.WriteString("\n")
	}
}

// bulkTable has the calls that went beside the tiny ones.
func (rs Results) bulkTable(w *strings.Builder) {
	for _, c := range rs.Cases {
		if c == load.Beside {
			w.WriteString("\n5 MB echoes/s beside the tiny calls; those count as calls in the figures a call above.\n\n")
			rs.table(w, []string{c}, func(c, p string) string { return rs.spread(c, p, bulkPerSecond).short() })
		}
	}
}

func (rs Results) peerTable(w *strings.Builder) {
	w.WriteString("\n| peer | version | options |\n|---|---|---|\n")
	for _, p := range rs.Peers {
		fmt.Fprintf(w, "| %s | %s | %s |\n", p.Name, p.Version, p.Note)
	}
}

// String is the median with the ends, where there are several numbers.
func (s spread) String() string {
	switch s.n {
	case 0:
		return "failed"
	case 1:
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.median), number(s.low), number(s.high))
}

// short is the median.
func (s spread) short() string {
	if s.n == 0 {
		return "failed"
	}
	return number(s.median)
}

// number has three digits that count, or all before the point, by threes.
func number(x float64) string {
	if x < 1000 {
		digits := 2 - int(math.Floor(math.Log10(max(x, .001))))
		return strconv.FormatFloat(x, 'f', max(0, min(digits, 3)), 64)
	}
	text := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// String is the line of a run.
func (r result) String() string {
	head := fmt.Sprintf("seed %4d  %-14s", r.plan.seed, r.plan.kind)
	switch {
	case r.skipped != "":
		return head + " skipped, for want of " + r.skipped
	case len(r.wrong) > 0:
		return fmt.Sprintf("%s %5.1f s  VIOLATED: %s", head, r.took.Seconds(), strings.Join(r.wrong, "; "))
	}
	also := make([]string, 0, len(r.plan.faults))
	for i, f := range r.plan.faults {
		if i > 0 {
			also = append(also, string(f.kind))
		}
	}
	if late := len(r.plan.faults) - len(r.hit); late > 0 {
		also = append(also, fmt.Sprintf("(%d too late)", late))
	}
	line := fmt.Sprintf("%s %5.1f s  ok  %3d inputs %2d nodes  %s", head, r.took.Seconds(), r.plan.inputs, len(r.plan.nodes), strings.Join(also, " "))
	if r.gap > 0 {
		line += fmt.Sprintf(" taken over after %.1f s", r.gap.Seconds())
	}
	return strings.TrimRight(line, " ")
}

// summary counts runs.
type summary struct {
	begun                     time.Time
	took                      time.Duration
	runs, skipped, violations int
	tasks                     int
	faults, hits              map[kind]int  // those of the plans, and those that struck while a job ran
	slowest                   time.Duration // taking over
}

func newSummary() *summary {
	return &summary{begun: time.Now(), faults: map[kind]int{}, hits: map[kind]int{}}
}

// add counts a run.
func (s *summary) add(r result) {
	switch {
	case r.skipped != "":
		s.skipped++
		return
	case len(r.wrong) > 0:
		s.violations++
	}
	s.runs++
	s.tasks += r.plan.inputs
	s.slowest = max(s.slowest, r.gap)
	for _, f := range r.plan.faults {
		s.faults[f.kind]++
	}
	for _, k := range r.hit {
		s.hits[k]++
	}
}

// String is the end of a report.
func (s *summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d runs, %d tasks, %d skipped, %d with violations, %.0f s\n", s.runs, s.tasks, s.skipped, s.violations, s.took.Seconds())
	for _, k := range slices.Sorted(maps.Keys(s.faults)) {
		fmt.Fprintf(&b, "  %-14s %4d, %d of them while the job ran\n", k, s.faults[k], s.hits[k])
	}
	if s.slowest > 0 {
		fmt.Fprintf(&b, "  a second server's first task came %.1f s after the first one's death at the latest\n", s.slowest.Seconds())
	}
	return b.String()
}

package report

import (
	"strconv"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
)

// target is what our layer must reach.
type target struct {
	what  string
	c     string // case; "" is the worst of the tiny ones
	of    figure
	ratio bool // of the figure to the base's in the same round
	least bool // the figure must be this or more, else this or less
	want  float64
	unit  string
	scale float64 // from the figure's unit to the target's; 0 is 1
}

func targets() []target {
	speed := func(c string, want float64) target {
		return target{what: "calls/s, " + title(c), c: c, of: callsPerSecond, ratio: true, least: true, want: want, unit: " ×"}
	}
	return []target{
		speed(load.Tiny1, 1.9), speed(load.Tiny16, 2.5), speed(load.Tiny256, 5), speed(load.Tiny4096, 3.5),
		speed(load.Large16, 2), speed(load.Huge4, 2.5),
		{what: "p99, " + title(load.Tiny256), c: load.Tiny256, of: p99, ratio: true, want: .5, unit: " ×"},
		{what: "allocations a call, the most of any tiny echo", of: allocations, want: 10},
		{what: "p50, " + title(load.Beside), c: load.Beside, of: p50, want: .2, unit: " ms", scale: 1e-3},
	}
}

// reached is what our layer shows of the target; n is 0 where nothing was measured.
func (t target) reached(rs Results) spread {
	if t.c == "" {
		var worst spread
		for _, c := range []string{load.Tiny1, load.Tiny16, load.Tiny256, load.Tiny4096} {
			if s := rs.spread(c, peer.Own, t.of); s.median > worst.median {
				worst = s
			}
		}
		return worst
	}
	if t.ratio {
		return rs.ratio(t.c, peer.Own, peer.Base, t.of)
	}
	s := rs.spread(t.c, peer.Own, t.of)
	if t.scale != 0 {
		s.median, s.low, s.high = s.median*t.scale, s.low*t.scale, s.high*t.scale
	}
	return s
}

func (t target) met(s spread) bool {
	return t.least && s.median >= t.want || !t.least && s.median <= t.want
}

// bound is the target in words.
func (t target) bound() string {
	sign := "≤ "
	if t.least {
		sign = "≥ "
	}
	return sign + strconv.FormatFloat(t.want, 'g', -1, 64) + t.unit
}

// title is a case's words, or its name where it has none.
func title(name string) string {
	if c, err := load.FindCase(name); err == nil {
		return c.Title
	}
	return name
}

package policy

import (
	"time"

	"spillway/params"
)

// uniform picks among the nodes that are up with equal chance.
type uniform struct {
	mayReject bool
	up        present
}

// newRandom is the policy "random": a uniform choice, and the node may only
// delay the task. It is the assignment's first mode.
func newRandom(*params.List) Policy { return &uniform{} }

// newBalance is the policy "balance": a uniform choice, and the node may reject
// the task, which then goes to one of the nodes that have not rejected it in
// this round. It is the assignment's second mode.
func newBalance(*params.List) Policy { return &uniform{mayReject: true} }

// Traits implements Policy.
func (u *uniform) Traits() Traits { return Traits{MayReject: u.mayReject, Baseline: true} }

// Set implements Policy.
func (u *uniform) Set(_ time.Time, i int, n Node) { u.up.mark(i, n.Up) }

// Pick implements Policy.
func (u *uniform) Pick(_ time.Time, r Request) (int, Verdict) { return u.up.draw(r) }

// Observe implements Policy: a uniform choice learns nothing.
func (u *uniform) Observe(time.Time, Observation) {}

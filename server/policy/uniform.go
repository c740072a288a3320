package policy

import "time"

// uniform picks among the nodes that are up with equal chance.
type uniform struct {
	mayReject bool
	up        []int // the nodes that are up, in no order
	place     []int // place[i] is where up holds i, or -1
}

// newRandom is the policy "random": a uniform choice, and the node may only
// delay the task. It is the assignment's first mode.
func newRandom() Policy { return &uniform{} }

// newBalance is the policy "balance": a uniform choice, and the node may reject
// the task, which then goes to one of the nodes that have not rejected it in
// this round. It is the assignment's second mode.
func newBalance() Policy { return &uniform{mayReject: true} }

// MayReject implements Policy.
func (u *uniform) MayReject() bool { return u.mayReject }

// Set implements Policy.
func (u *uniform) Set(_ time.Time, i int, n Node) {
	for len(u.place) <= i {
		u.place = append(u.place, -1)
	}
	at := u.place[i]
	switch {
	case n.Up && at < 0:
		u.place[i] = len(u.up)
		u.up = append(u.up, i)
	case !n.Up && at >= 0:
		last := u.up[len(u.up)-1]
		u.up[at], u.place[last] = last, at
		u.up, u.place[i] = u.up[:len(u.up)-1], -1
	}
}

// Pick implements Policy. It draws until it meets a node that is not excluded,
// and counts the others out only where most are excluded.
func (u *uniform) Pick(_ time.Time, r Request) (int, bool) {
	if len(u.up) == 0 {
		return 0, false
	}
	for range 4 {
		if i := u.up[r.Rand.IntN(len(u.up))]; !r.Excluded.Has(i) {
			return i, true
		}
	}
	left := 0
	for _, i := range u.up {
		if !r.Excluded.Has(i) {
			left++
		}
	}
	if left == 0 {
		return 0, false
	}
	nth := r.Rand.IntN(left)
	for _, i := range u.up {
		if r.Excluded.Has(i) {
			continue
		}
		if nth == 0 {
			return i, true
		}
		nth--
	}
	return 0, false
}

// Observe implements Policy: a uniform choice learns nothing.
func (u *uniform) Observe(time.Time, Observation) {}

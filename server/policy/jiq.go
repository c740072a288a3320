package policy

import (
	"time"

	"spillway/params"
)

// jiq is the policy "jiq": a node that has nothing to do leaves a token, and a task goes
// to one of those that left theirs (Lu et al., Join-Idle-Queue, 2011). Where there are no
// tokens, it is [p2c] by attempts, and not by chance as in the paper. A node is idle while
// it has fewer attempts of this server than slots, and says so itself, where it says
// anything.
type jiq struct {
	rest p2c
	idle present
	// slots and busy are by node: how many tasks it works on at once, and how many it
	// had by its own word when it last answered, beyond those of this server.
	slots []int
	busy  []int
}

func newJIQ(*params.List) Policy { return &jiq{} }

// Traits implements Policy.
func (j *jiq) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (j *jiq) Set(now time.Time, i int, n Node) {
	for len(j.slots) <= i {
		j.slots = append(j.slots, 0)
		j.busy = append(j.busy, 0)
	}
	j.slots[i] = max(1, n.Slots)
	j.rest.Set(now, i, n)
	j.token(i)
}

// token notes whether node i is idle.
func (j *jiq) token(i int) {
	j.idle.mark(i, j.rest.up.has(i) && j.rest.count[i]+j.busy[i] < j.slots[i])
}

// Pick implements Policy.
func (j *jiq) Pick(now time.Time, r Request) (int, Verdict) {
	if i, v := j.idle.draw(r); v == Chosen {
		return i, v
	}
	return j.rest.Pick(now, r)
}

// Observe implements Policy.
func (j *jiq) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(j.slots) {
		return
	}
	j.rest.Observe(now, o)
	if o.Kind != Sent {
		j.busy[o.Node] = 0 // what it said before is old
		if l := o.Load; l != nil {
			j.busy[o.Node] = max(0, l.Running+l.Queued+l.Delayed-j.rest.count[o.Node])
		}
	}
	j.token(o.Node)
}

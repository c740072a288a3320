package admission

import (
	"time"

	"spillway/params"
)

// defaultPlaces is how many tasks may wait for each slot of a node with a bounded queue.
const defaultPlaces = 4

// queue bounds the tasks that wait, as the queue M/M/c/K of the textbooks (Kleinrock,
// "Queueing Systems" 1, 1975) does: a task that may be rejected is where no slot is
// free and k tasks for each slot wait already. k is 4 where nothing else is said; 0
// rejects whatever would have to wait.
type queue struct{ places int }

func newQueue(_ Config, p *params.List) Controller {
	return &queue{places: p.Int("k", defaultPlaces, 0, 1<<14, "tasks that may wait for each slot")}
}

// Decide implements Controller.
func (c *queue) Decide(_ time.Time, a Arrival) Decision {
	if a.MayReject && !free(a.Load) && a.Load.Queued >= c.places*max(1, a.Load.Slots) {
		return Decision{Reject: true, Reason: "its queue is full"}
	}
	return Decision{}
}

// Observe implements Controller: a bound learns nothing.
func (c *queue) Observe(time.Time, Sample) {}

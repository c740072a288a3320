package scheduler

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// line lets jobs start in order: those of a higher priority first, and among
// equals those that were submitted first.
type line struct {
	mu      sync.Mutex // guards what follows
	most    int        // jobs that run at once
	running int
	waiting []*turn // in order
}

// turn is a job's place in the line.
type turn struct {
	priority int
	seq      int64
	start    chan struct{} // closed when it may start
}

// join takes a place behind those of the same priority.
func (l *line) join(priority int, seq int64) *turn {
	t := &turn{priority: priority, seq: seq, start: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.waiting, t, func(a, b *turn) int {
		if a.priority != b.priority {
			return b.priority - a.priority
		}
		return int(a.seq - b.seq)
	})
	l.waiting = slices.Insert(l.waiting, i, t)
	l.advance()
	return t
}

// wait waits for the turn; false: ctx ended first, and the place is given up.
func (l *line) wait(ctx context.Context, t *turn) bool {
	select {
	case <-t.start:
		return true
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, t)
	if i < 0 {
		return true // both at once
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return false
}

// leave is the end of a job that had its turn.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.advance()
}

func (l *line) advance() {
	for l.running < l.most && len(l.waiting) > 0 {
		close(l.waiting[0].start)
		l.waiting = slices.Delete(l.waiting, 0, 1)
		l.running++
	}
}

// position is how far from its start a job is, 1 being the next, and why it waits;
// 0: it does not.
func (l *line) position(t *turn) (place int, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, t)
	if i < 0 {
		return 0, ""
	}
	if l.running == 1 {
		return i + 1, "a job runs, and one may at once"
	}
	return i + 1, fmt.Sprintf("%d jobs run, as many as may at once", l.running)
}

package mux

import (
	"sync"
	"time"
)

// workerTrim is how often workers end that nobody needed meanwhile.
const workerTrim = time.Second

// workers are goroutines that handle calls, and are used again: in a new one each
// call makes the stack grow anew, which is a third of what a quick call costs the
// server. There are as many as there are calls under way, and a second or two
// later no more than there were.
type workers struct {
	mu       sync.Mutex    // guards what follows
	idle     []chan func() // the latest last, whose stack is warm
	spare    int           // the fewest that were idle since the last trim
	trimming bool          // timer is due
	timer    *time.Timer
	stopped  bool
}

// run has handle called in a goroutine of its own.
func (w *workers) run(handle func()) {
	w.mu.Lock()
	last := len(w.idle) - 1
	if last < 0 {
		w.mu.Unlock()
		go w.work(handle)
		return
	}
	in := w.idle[last]
	w.idle = w.idle[:last]
	w.spare = min(w.spare, last)
	w.mu.Unlock()
	in <- handle
}

func (w *workers) work(handle func()) {
	in := make(chan func(), 1)
	for more := true; more; handle, more = <-in {
		handle()
		if !w.park(in) {
			return
		}
	}
}

// park makes the worker behind in available; false: it shall end.
func (w *workers) park(in chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	w.idle = append(w.idle, in)
	if w.trimming {
		return true
	}
	w.trimming, w.spare = true, 0
	if w.timer == nil {
		w.timer = time.AfterFunc(workerTrim, w.trim)
	} else {
		w.timer.Reset(workerTrim)
	}
	return true
}

// trim ends the workers that were idle all the time since it last ran.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.idle[:w.spare] {
		close(in)
	}
	left := copy(w.idle, w.idle[w.spare:])
	clear(w.idle[left:])
	w.idle, w.spare = w.idle[:left], left
	w.trimming = left > 0 && !w.stopped
	if w.trimming {
		w.timer.Reset(workerTrim)
	}
}

// stop ends all workers; those that handle a call end after it.
func (w *workers) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for _, in := range w.idle {
		close(in)
	}
	w.idle, w.spare = nil, 0
	if w.timer != nil {
		w.timer.Stop()
	}
}

package sim

import "time"

// Offered is what came in the span of time in which goodput under overload is counted,
// and what became of it. The span begins with the first task after the warm-up, and ends
// a deadline before the last that comes: the tasks that come later compete with fewer
// and fewer others, and would flatter every policy.
type Offered struct {
	// Length of the span. All else is 0 where it is empty, or tasks have no deadline.
	Length time.Duration
	// Tasks came in it, of which Done are those done in time, and Attempts were sent for
	// all of them.
	Tasks, Done, Attempts int
	// Work and DoneWork are theirs, as times on a slot of speed 1. Capacity is what the
	// nodes could do meanwhile, with the speeds that antagonists leave on average.
	Work, DoneWork, Capacity time.Duration
}

// Load is the work that came ÷ the capacity; 0, as all below, where the span is empty.
func (o Offered) Load() float64 { return ratio(o.Work, o.Capacity) }

// Goodput is the work of the tasks that were done in time ÷ what was possible, which is
// the lesser of the work that came and the capacity. Other than by tasks, nothing is
// gained by dropping the large ones. It exceeds 1 by chance alone: by what was under way
// at the end of the span more than at its beginning.
func (o Offered) Goodput() float64 { return ratio(o.DoneWork, min(o.Work, o.Capacity)) }

// TaskGoodput is the same by tasks: those done in time ÷ as many as the capacity has room
// for at their mean size, if so many came. Above 1 tells that the large ones were dropped.
func (o Offered) TaskGoodput() float64 { return ratio(o.Done, o.Tasks) * max(1, o.Load()) }

// PerDone is how many attempts were sent for each task that was done in time; where none
// was, the attempts themselves.
func (o Offered) PerDone() float64 { return ratio(o.Attempts, max(1, o.Done)) }

func ratio[T int | time.Duration](of, all T) float64 {
	if all == 0 {
		return 0
	}
	return float64(of) / float64(all)
}

// fate is what became of a task.
type fate struct {
	arrived  int64   // ns
	size     float64 // ns on a node of speed 1
	attempts int32
	inTime   bool
}

// offered sums up the span in which goodput is counted.
func (s *sim) offered() (o Offered) {
	if s.fates == nil || s.cfg.Warmup >= s.came {
		return o
	}
	from, until := s.fates[s.cfg.Warmup].arrived, s.fates[s.came-1].arrived-int64(s.cfg.Deadline)
	if until <= from {
		return o
	}
	work, done := 0.0, 0.0
	for _, f := range s.fates[s.cfg.Warmup:s.came] {
		if f.arrived >= until {
			break
		}
		o.Tasks++
		o.Attempts += int(f.attempts)
		work += f.size
		if f.inTime {
			o.Done++
			done += f.size
		}
	}
	o.Length, o.Work, o.DoneWork = duration(until-from), duration(int64(work)), duration(int64(done))
	o.Capacity = duration(int64(s.cfg.capacity() * float64(until-from)))
	return o
}

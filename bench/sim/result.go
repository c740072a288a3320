package sim

import (
	"math"
	"slices"
	"time"
)

// Result is what one run came to.
type Result struct {
	// Done, Failed and Unfinished are all tasks: those with a result, those that were
	// given up at their deadline or because too many nodes broke, and those that were
	// left at the horizon or never came.
	Done, Failed, Unfinished int
	// Makespan is when the last task ended.
	Makespan time.Duration
	// Bound is the least makespan that a batch can have: Σ work ÷ Σ speed of all slots,
	// or the largest task on the fastest node. 0 for all else, and where nodes' speeds
	// change it is not one.
	Bound time.Duration
	// Latency is of tasks that are done, after the warm-up, from their intended start:
	// from when they came, or from 0 for a batch, whoever had room for them.
	Latency Latency
	// Goodput is the part of all tasks after the warm-up that were done in time.
	Goodput float64
	// Offered is what the goodput under overload is judged by.
	Offered Offered
	// Attempts that were sent, of all tasks; of them Copies beside another. Rejections,
	// Broken: how they ended. Pauses for want of a node. Probes that were sent.
	Attempts, Copies, Rejections, Broken, Pauses, Probes int
	// Wasted is the part of the nodes' busy time whose outcome nobody took.
	Wasted float64
	// Utilization is busy time ÷ (slots · makespan).
	Utilization float64
	// Jain is Jain's index of fairness, (Σx)² ÷ n·Σx², of the nodes' busy time of a
	// slot (work ÷ speed): 1 where all were busy equally long.
	Jain float64
	// Nodes tells of each.
	Nodes []NodeResult
	// Series is over time, in buckets of Width.
	Series []Bucket
	Width  time.Duration
	// Shares has for each twentieth of the tasks, as they came, how many first attempts
	// each node got. nil for more than 64 nodes.
	Shares [][]int
	// Trace is the first attempts that ran.
	Trace []Span

	latencies []int64 // sorted
}

// Latency is a distribution of times. Its quantiles are exact.
type Latency struct{ Mean, P50, P90, P95, P99, P999, Max time.Duration }

// NodeResult is what one node did.
type NodeResult struct {
	Busy time.Duration // of all its slots
	// First is how many tasks were sent to it first, Late those of them after the
	// warm-up.
	First, Late int
	// Attempts that came to it; of them Rejected, and Done.
	Attempts, Rejected, Done int
}

// Bucket is what happened in a time of Width.
type Bucket struct {
	Arrived int // tasks that came
	Good    int // tasks that were done in time
	Failed  int // tasks that were given up
	Sent    int // attempts
	// Mean latency of the tasks that were done.
	Mean time.Duration
}

// Span is an attempt that had a slot.
type Span struct {
	Task, Node int
	Start, End time.Duration
	Copy       bool
	// Done tells that it ended by itself.
	Done bool
}

// PerTask is a count for each task that is done: what was sent for those that were given
// up is a cost of the others. Where none is done it is the count itself.
func (r *Result) PerTask(count int) float64 { return float64(count) / float64(max(1, r.Done)) }

// Quantile is the latency that a part q, 0 to 1, of the tasks that are done does not
// exceed; 0 where there are none.
func (r *Result) Quantile(q float64) time.Duration {
	n := len(r.latencies)
	if n == 0 {
		return 0
	}
	return duration(r.latencies[min(n-1, max(0, int(math.Ceil(q*float64(n)))-1))])
}

// result sums the run up.
func (s *sim) result() Result {
	r := Result{
		Done: s.doneCount, Failed: s.failedCount, Unfinished: s.cfg.Tasks - s.doneCount - s.failedCount,
		Makespan: duration(s.lastEnd), Attempts: s.sends, Copies: s.copies, Rejections: s.turnedAway, Broken: s.broken,
		Pauses: s.pauses, Probes: s.probeCount, Series: s.series.buckets(), Width: duration(s.series.width),
		Shares: s.shares, Trace: s.spans, latencies: s.latencies,
	}
	if counted := s.cfg.Tasks - s.cfg.Warmup; counted > 0 {
		r.Goodput = float64(s.good) / float64(counted)
	}
	if s.cfg.Arrivals.batch() {
		r.Bound = s.bound()
	} else {
		r.Offered = s.offered()
	}
	s.sumLatency(&r)
	s.sumNodes(&r)
	return r
}

func (s *sim) sumLatency(r *Result) {
	if len(s.latencies) == 0 {
		return
	}
	slices.Sort(s.latencies)
	sum := 0.0
	for _, l := range s.latencies {
		sum += float64(l)
	}
	r.Latency = Latency{
		Mean: duration(int64(sum / float64(len(s.latencies)))),
		P50:  r.Quantile(.5), P90: r.Quantile(.9), P95: r.Quantile(.95), P99: r.Quantile(.99), P999: r.Quantile(.999),
		Max: r.Quantile(1),
	}
}

func (s *sim) sumNodes(r *Result) {
	r.Nodes = make([]NodeResult, len(s.nodes))
	busy, slots, sum, squares := 0.0, 0.0, 0.0, 0.0
	for i := range s.nodes {
		n := &s.nodes[i]
		r.Nodes[i] = NodeResult{
			Busy: duration(int64(n.busy)), First: n.first, Late: n.late,
			Attempts: n.attempts, Rejected: n.rejected, Done: n.completed,
		}
		x := n.busy / float64(n.slots)
		busy += n.busy
		slots += float64(n.slots)
		sum += x
		squares += x * x
	}
	if busy > 0 {
		r.Wasted = s.wasted / busy
		r.Jain = sum * sum / (float64(len(s.nodes)) * squares)
		r.Utilization = busy / (slots * float64(max(1, s.lastEnd)))
	}
}

// bound is the least makespan of a batch.
func (s *sim) bound() time.Duration {
	speed, fastest := 0.0, 0.0
	for i := range s.nodes {
		n := &s.nodes[i]
		speed += n.speed * float64(n.slots)
		fastest = max(fastest, n.speed)
	}
	return duration(int64(max(s.work/speed, s.largest/fastest)))
}

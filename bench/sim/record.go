package sim

import "time"

// record is what a run notes of itself.
type record struct {
	epoch time.Time

	sends, copies, turnedAway, broken, pauses, probeCount int

	doneCount, failedCount, good int

	work, largest float64 // ns, of the tasks that came
	wasted        float64 // ns of busy time
	lastEnd       int64   // ns
	latencies     []int64
	shares        [][]int
	spans         []Span
	fates         []fate // by number, where tasks have a deadline
	series        series
}

// The shares of the nodes are told for so many parts of the tasks, and nodes.
const (
	shareParts = 20
	shareNodes = 64
)

func (r *record) begin(cfg *Config) {
	r.epoch = epoch()
	r.series.width = int64(cfg.Bucket)
	r.latencies = make([]int64, 0, max(0, cfg.Tasks-cfg.Warmup))
	if cfg.Deadline > 0 && !cfg.Arrivals.batch() {
		r.fates = make([]fate, cfg.Tasks)
	}
	if len(cfg.Nodes) <= shareNodes {
		r.shares = make([][]int, min(shareParts, cfg.Tasks))
		for i := range r.shares {
			r.shares[i] = make([]int, len(cfg.Nodes))
		}
	}
}

// arrived notes a task that has come.
func (s *sim) arrived(t *task) {
	s.work += t.size
	s.largest = max(s.largest, t.size)
	s.series.at(t.arrived).arrived++
	if s.fates != nil {
		s.fates[t.number] = fate{arrived: t.arrived, size: t.size}
	}
}

// sentTo notes an attempt that leaves for node n.
func (s *sim) sentTo(t *task, n int, copied bool) {
	s.sends++
	s.series.at(s.now).sent++
	if copied {
		s.copies++
	}
	if s.fates != nil {
		s.fates[t.number].attempts++
	}
	if t.sent {
		return
	}
	t.sent = true
	s.nodes[n].first++
	if t.number >= s.cfg.Warmup {
		s.nodes[n].late++
	}
	if s.shares != nil {
		s.shares[t.number*len(s.shares)/s.cfg.Tasks][n]++
	}
}

// completed notes a task that is done.
func (s *sim) completed(t *task) {
	s.doneCount++
	s.lastEnd = s.now
	latency := s.now - t.arrived
	inTime := s.cfg.Deadline == 0 || latency <= int64(s.cfg.Deadline)
	b := s.series.at(s.now)
	b.done++
	b.latency += float64(latency)
	if inTime {
		b.good++
	}
	if s.fates != nil {
		s.fates[t.number].inTime = inTime
	}
	if t.number < s.cfg.Warmup {
		return
	}
	s.latencies = append(s.latencies, latency)
	if inTime {
		s.good++
	}
}

// failed notes a task that is given up.
func (s *sim) failed() {
	s.failedCount++
	s.lastEnd = s.now
	s.series.at(s.now).failed++
}

// trace notes an attempt that had a slot and leaves it.
func (s *sim) trace(p *attempt) {
	if len(s.spans) < s.cfg.Trace {
		s.spans = append(s.spans, Span{
			Task: int(p.number), Node: int(p.node), Start: duration(p.start), End: duration(s.now),
			Copy: p.copied, Done: p.due == s.now,
		})
	}
}

// series counts over time. Once there are too many buckets, each two become one.
type series struct {
	width int64 // ns
	all   []tally
}

type tally struct {
	arrived, good, done, failed, sent int
	latency                           float64 // ns, the sum of those that are done
}

const maxBuckets = 512

// at is the tally of a time.
func (s *series) at(ns int64) *tally {
	for ns/s.width >= maxBuckets {
		s.halve()
	}
	i := int(ns / s.width)
	for len(s.all) <= i {
		s.all = append(s.all, tally{})
	}
	return &s.all[i]
}

func (s *series) halve() {
	s.width *= 2
	for i := range s.all {
		if i%2 == 0 {
			s.all[i/2] = s.all[i]
			continue
		}
		a, b := &s.all[i/2], &s.all[i]
		a.arrived += b.arrived
		a.good += b.good
		a.done += b.done
		a.failed += b.failed
		a.sent += b.sent
		a.latency += b.latency
	}
	s.all = s.all[:(len(s.all)+1)/2]
}

func (s *series) buckets() []Bucket {
	all := make([]Bucket, len(s.all))
	for i, t := range s.all {
		all[i] = Bucket{Arrived: t.arrived, Good: t.good, Failed: t.failed, Sent: t.sent}
		if t.done > 0 {
			all[i].Mean = duration(int64(t.latency / float64(t.done)))
		}
	}
	return all
}

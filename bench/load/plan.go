package load

import (
	"math"
	"time"
)

// plan is how much of everything is measured.
type plan struct {
	images       int // in the working set of photographs, at least
	pairs        int // of plain and ours
	isolatePairs int
	tasks, runs  int // of operation none
	files        int // of the large job
	nodes        int // for operation none
	small, large jobs
}

// jobs are many jobs of one size. There are enough of them for the 95 % interval
// of their mean makespan to be as narrow as within says, from least to most.
type jobs struct {
	images      int
	delay       time.Duration // T
	every       time.Duration // between two starts
	least, most int
	within      float64 // half the interval's width, relative to the mean
}

func (c Config) plan() plan {
	p := plan{
		images: 400, pairs: 7, isolatePairs: 5, tasks: 20_000, runs: 5, files: 1_000_000, nodes: 2,
		small: jobs{images: 6, delay: time.Second, every: 6 * time.Millisecond, least: 500, most: 8000, within: .014},
		large: jobs{images: 100, delay: 3 * time.Second, every: 120 * time.Millisecond, least: 30, most: 30, within: .014},
	}
	if c.Quick {
		p.images, p.pairs, p.isolatePairs, p.tasks, p.runs, p.files = 200, 3, 3, 5_000, 3, 100_000
		p.small.least, p.small.most, p.large.least, p.large.delay = 300, 500, 10, time.Second
	}
	return p
}

// count is how many jobs it takes where the mean makespan is T times mean. A job
// lasts T or next to nothing, so that its variance is mean·(1−mean).
func (j jobs) count(mean float64) int {
	root := 1.96 / j.within
	n := (1 - mean) / mean * root * root
	return min(j.most, max(j.least, int(math.Ceil(n))))
}

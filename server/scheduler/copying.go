package scheduler

import (
	"strings"
	"time"

	"spillway/job"
)

// copying is how many copies a task that takes long gets, and how soon.
type copying struct {
	cold time.Duration // when the first is due as long as little is known of the operation
	// most is how many attempts run at once, up to maxAttempts. Where all of them are
	// overdue, the oldest copy makes room for another, growth times as long after the
	// last as that was after the one before.
	most   int
	growth float64
}

// copyingOf is that of an operation's tasks. Most pictures take so little time that an
// attempt which is not done soon is one that was delayed, so that to begin anew is cheap.
// What is done to videos and songs takes seconds: a copy takes a node's cores as long as
// the first does, and one that makes room for another throws that away.
func copyingOf(op string) copying {
	if isLong(op) {
		return copying{cold: 5 * time.Second, most: 2, growth: 3}
	}
	return copying{cold: 50 * time.Millisecond, most: maxAttempts, growth: 1.5}
}

// isLong tells operations on videos and songs that decode them.
func isLong(op string) bool {
	switch op {
	case job.Stems, job.Karaoke, job.CreateVideo, job.ExtractFrames:
		return true
	}
	return strings.HasPrefix(op, job.VideoPrefix)
}

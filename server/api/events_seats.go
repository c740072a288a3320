package api

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"spillway/job"
)

// seats bounds the streams of events that are open at once, and those of one user, so
// that nobody takes them all.
type seats struct {
	most, each int

	mu    sync.Mutex // guards what follows
	taken int
	by    map[string]int
}

// newSeats makes so many, of which one user may have a good half.
func newSeats(most int) *seats {
	const part, of = 11, 20
	return &seats{most: most, each: max(1, most*part/of), by: map[string]int{}}
}

// take has a user sit down. Errors: ResourceExhausted, as 429 where it is the user's own
// streams that are too many, and else as 503.
func (s *seats) take(user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.most {
		return full(http.StatusServiceUnavailable, "as many streams of events are open as may be", "come again in a few seconds")
	}
	if s.by[user] >= s.each {
		return full(http.StatusTooManyRequests, "you have as many streams of events open as one user may have", "close some: many can share one")
	}
	s.taken++
	s.by[user]++
	return nil
}

// full is why one more stream is refused.
func full(status int, words, hint string) error {
	const retry = 5 * time.Second
	e := job.E(job.ResourceExhausted, "", errors.New(words), hint)
	e.RetryAfter = retry
	p := problemOf(e)
	p.Status, p.Title = status, http.StatusText(status)
	return p
}

// leave has a user stand up.
func (s *seats) leave(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[user]--; s.by[user] == 0 {
		delete(s.by, user)
	}
}

// count is how many are taken.
func (s *seats) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

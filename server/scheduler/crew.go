package scheduler

import (
	"fmt"
	"slices"

	"spillway/server/policy"
)

// lacks reports whether the node answers and has not all of the tags.
func lacks(n policy.Node, tags []string) bool {
	return n.Up && slices.ContainsFunc(tags, func(tag string) bool { return !slices.Contains(n.Tags, tag) })
}

// mayHave reports whether node i has all of the tags, as far as is known.
func (s *Scheduler) mayHave(i int, tags []string) bool {
	if len(tags) == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !lacks(s.members[i], tags)
}

// mostBarred is how many lists of tags the nodes are remembered of that lack one of them;
// all tasks of a job ask for the same.
const mostBarred = 64

// bar adds the nodes that lack one of the tags to set.
func (s *Scheduler) bar(tags []string, set *policy.Set) {
	if len(tags) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%q", tags) // quoted, so that no two lists are alike
	barred := s.barred[key]
	if barred == nil {
		barred = &policy.Set{}
		for i, n := range s.members {
			if lacks(n, tags) {
				barred.Add(i)
			}
		}
		if len(s.barred) >= mostBarred {
			clear(s.barred)
		}
		s.barred[key] = barred
	}
	set.AddAll(barred)
}

// takers counts the nodes with all of the tags that answer and take tasks.
func (s *Scheduler) takers(tags []string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.Up && !m.Gone && !lacks(m, tags) {
			n++
		}
	}
	return n
}

// crew counts the nodes that there are, up or not, and that do not lack one of the
// tags; without are those of them that are not in set.
func (s *Scheduler) crew(tags []string, set *policy.Set) (size, without int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.members {
		if n.Gone || lacks(n, tags) {
			continue
		}
		size++
		if !set.Has(i) {
			without++
		}
	}
	return size, without
}

package scheduler

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// counts is an observer that counts what it hears.
type counts struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counts) add(word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[word]++
}

func (c *counts) Attempted(policy, _, outcome string, node job.NodeID, _ time.Duration) {
	c.add(policy + " " + outcome)
	if node == "" {
		c.add("nameless")
	}
}

func (c *counts) Ended(state job.TaskState) { c.add(string(state)) }

func TestScheduler_ObserverHearsOfAttemptsAndTasks(t *testing.T) {
	c := &counts{seen: map[string]int{}}
	inBubble(t, Config{Observer: c}, []node{takes(time.Millisecond), rejects}, func(t *testing.T, r *rig) {
		j := r.run(20, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
	})
	require.Equal(t, 20, c.seen["balance done"])
	require.Equal(t, 20, c.seen["done"])
	require.Positive(t, c.seen["balance rejected"])
	require.Zero(t, c.seen["nameless"])
}

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// keeping is a connection to a node that keeps files of jobs.
type keeping struct {
	conn
	forget func(job.ID) error
}

func (k *keeping) Forget(_ context.Context, id job.ID) error { return k.forget(id) }

func TestCluster_EveryNodeThatKeepsFilesHearsThatAJobEnded(t *testing.T) {
	var mu sync.Mutex
	var told []job.NodeID
	members := []Member{{ID: "keeps"}, {ID: "keeps nothing"}, {ID: "does not answer"}}
	c := New(Config{}, members, func(m Member) Conn {
		if m.ID == "keeps nothing" {
			return &conn{}
		}
		return &keeping{forget: func(id job.ID) error {
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, job.ID("j"), id)
			told = append(told, m.ID)
			if m.ID == "does not answer" {
				return errors.New("no answer")
			}
			return nil
		}}
	}, slog.New(slog.DiscardHandler))
	c.Forget(t.Context(), "j")
	require.ElementsMatch(t, []job.NodeID{"keeps", "does not answer"}, told)
}

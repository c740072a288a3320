package scenario

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/load"
	"spillway/job"
)

func TestHold_SeesEachFault(t *testing.T) {
	sum := func(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
	wanted := outputs{"a": sum("1"), "b": sum("2")}
	done := job.Job{Total: 2, Done: 2, Nodes: []job.Tally{{Done: 1}, {Done: 1, Failed: 3}}}
	rows := []struct {
		name          string
		job           job.Job
		got           outputs
		lost, doubled int
	}{
		{"all is well", done, wanted, 0, 0},
		{"an output is missing", done, outputs{"a": sum("1")}, 1, 0},
		{"an output is cut off", done, outputs{"a": sum("1"), "b": sum("")}, 1, 0},
		{"a temporary file is left", done, outputs{"a": sum("1"), "b": sum("2"), "tmp": sum("2")}, 0, 1},
		{"a task is not done", job.Job{Total: 2, Done: 1, Nodes: []job.Tally{{Done: 1}}}, wanted, 1, 0},
		{"a task counts twice", job.Job{Total: 2, Done: 2, Nodes: []job.Tally{{Done: 3}}}, wanted, 0, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var f flapped
			f.hold(row.job, row.got, wanted)
			require.Equal(t, []int{row.lost, row.doubled}, []int{f.lost, f.doubled})
		})
	}
}

func TestFirstAttempt_IsNotListedWhereItWasRejected(t *testing.T) {
	require.Equal(t, job.NodeID("node_2"), firstAttempt(job.TaskInfo{Attempts: []job.Attempt{{Number: 1, Node: "node_2"}, {Number: 2, Node: "node_1"}}}).Node)
	require.Nil(t, firstAttempt(job.TaskInfo{Attempts: []job.Attempt{{Number: 2, Node: "node_1"}}}))
	require.Nil(t, firstAttempt(job.TaskInfo{}))
}

func TestTries_TheFirstJobOfAClusterIsCold(t *testing.T) {
	var all tries
	for turn := range 3 {
		all.add(load.Outcome{Turn: turn, Took: time.Duration(turn+1) * time.Second, Job: job.Job{Total: 2, Nodes: []job.Tally{{Done: 2, Rejected: 1}}}})
	}
	require.Equal(t, []float64{1}, all.cold.took)
	require.Equal(t, []float64{2, 3}, all.warm.took)
	require.Equal(t, []float64{1.5, 1.5}, all.warm.attempts)
	require.Equal(t, int64(4), all.warm.counts.Done)
}

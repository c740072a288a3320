//go:build faults

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestNode_OperationsThatBreakCostOneTask(t *testing.T) {
	base := t.TempDir()
	n := startNode(t, base, "on", "--slots", "1", "--task-timeout", "2s", "--memory", "512MiB")
	tests := []struct{ operation, want string }{
		{"abort", "its process died: "},
		{"hang", "it ran longer than 2s and was stopped"},
		{"eat", "it ran out of memory (limit 512 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			task := job.Task{Base: base, Name: "a.png", Operation: job.Operation{Name: tt.operation}}
			_, err := n.worker.Execute(t.Context(), task)
			require.Equal(t, job.Internal, job.CodeOf(err))
			require.ErrorContains(t, err, tt.want)
			require.NotEmpty(t, job.HintOf(err))
			task.Operation.Name = "none"
			_, err = n.worker.Execute(t.Context(), task)
			require.NoError(t, err)
		})
	}
}

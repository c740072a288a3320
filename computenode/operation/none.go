package operation

import (
	"context"

	"spillway/job"
)

// none does nothing, for measuring all that is around an operation.
type none struct{}

// Info describes the operation.
func (none) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.NoOperation, Summary: "nothing: reads and writes no file, for measuring"}
}

// Outputs is empty.
func (none) Outputs(string, job.Args) []string { return nil }

// Run touches no file.
func (none) Run(context.Context, *Files, job.Args) error { return nil }

// Native is false: nothing here can break a process, so that none needs no child.
func (none) Native() bool { return false }

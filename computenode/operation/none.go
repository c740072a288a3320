package operation

import (
	"context"
	"time"

	"spillway/job"
)

// none does nothing, for measuring all that is around an operation; with ms it takes
// so long over it, so that how long tasks run is known.
type none struct{}

// Info describes the operation.
func (none) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.NoOperation, Summary: "nothing: reads and writes no file, for measuring", Params: []job.ParamInfo{
		{Name: "ms", Kind: job.FloatParam, Default: "0", Min: 0, Max: 60_000, Summary: "milliseconds that it takes"},
	}}
}

// Outputs is empty.
func (none) Outputs(string, job.Args) []string { return nil }

// Run touches no file.
func (none) Run(ctx context.Context, _ *Files, args job.Args) error {
	length := time.Duration(args.Float("ms") * float64(time.Millisecond))
	if length <= 0 {
		return nil
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Native is false: nothing here can break a process, so that none needs no child.
func (none) Native() bool { return false }

//go:build faults

package operation

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"spillway/job"
	"spillway/native/opencv"
)

// faults are operations that break the process they run in, for tests of the
// whole program.
func faults() []Operation {
	return []Operation{
		fault{"abort", "dies in native code", nil, abort},
		fault{"hang", "never returns, whatever its context says", nil, hang},
		fault{"nap", "sleeps", []job.ParamInfo{
			{Name: "ms", Kind: job.IntParam, Default: "20", Min: 1, Max: 60_000, Summary: "milliseconds"},
		}, nap},
		fault{"eat", "takes memory until it is stopped", []job.ParamInfo{
			{Name: "mib", Kind: job.IntParam, Default: "8192", Min: 1, Max: 1 << 20, Summary: "gives up after so many MiB"},
		}, eat},
		poisonable{grayscale()},
	}
}

// poisonable does what its operation does, but dies in native code on inputs whose
// names begin with poison.
type poisonable struct{ Operation }

// Info describes the operation.
func (p poisonable) Info() job.OperationInfo {
	info := p.Operation.Info()
	info.Name, info.Summary = "poisonable", info.Summary+", but an input named poison* kills the process"
	return info
}

// Run strikes where the name says so.
func (p poisonable) Run(ctx context.Context, f *Files, args job.Args) error {
	if strings.HasPrefix(f.Name(), "poison") {
		return abort(args)
	}
	return p.Operation.Run(ctx, f, args)
}

type fault struct {
	name, summary string
	params        []job.ParamInfo
	strike        func(job.Args) error
}

// Info describes the operation.
func (f fault) Info() job.OperationInfo {
	return job.OperationInfo{Name: f.name, Summary: f.summary, Params: f.params}
}

// Outputs is empty.
func (fault) Outputs(string, job.Args) []string { return nil }

// Run strikes.
func (f fault) Run(_ context.Context, _ *Files, args job.Args) error { return f.strike(args) }

func abort(job.Args) error {
	opencv.Abort()
	return errors.New("the process outlived an abort")
}

func hang(job.Args) error {
	for {
		time.Sleep(time.Hour)
	}
}

func nap(args job.Args) error {
	time.Sleep(time.Duration(args.Int("ms")) * time.Millisecond)
	return nil
}

// eat touches every page that it takes, so that the memory is really used.
func eat(args job.Args) error {
	const mib = 1 << 20
	var eaten [][]byte
	for range args.Int("mib") {
		piece := make([]byte, mib)
		for at := 0; at < mib; at += 4096 {
			piece[at] = 1
		}
		eaten = append(eaten, piece)
	}
	runtime.KeepAlive(eaten)
	return job.E(job.Internal, "operation eat", errors.New("nothing stopped it"), "set a memory limit")
}

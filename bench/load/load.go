// Package load starts the programs as real processes, measures them, and stops
// exactly what it started.
//
// Everything runs on free loopback ports below a temporary folder that is
// removed at the end; no other server or node on the machine is touched.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"spillway/bench/report"
	"spillway/job"
)

// Config says what to measure with. Bin, Self, Photos and Record must be set.
type Config struct {
	// Bin is the folder of client, server and computenode.
	Bin string
	// Self is the benchmark's own program; "SELF plain IN OUT" runs the plain
	// loop and prints a [Plain].
	Self string
	// Photos is the folder of the photographs.
	Photos string
	// Quick measures less of everything, for a first look.
	Quick bool
	// Seed makes the draws of nodes and server reproducible.
	Seed uint64
	// Command is how the benchmark was called, for the record.
	Command string
	// Record takes each figure as soon as it is there.
	Record func(report.Result) error
	// Progress hears what goes on, in lines.
	Progress io.Writer
}

// Plain is what the plain loop prints: one object of JSON.
type Plain struct {
	Images  int     `json:"images"`
	Seconds float64 `json:"seconds"` // without the start of the program
}

// bench is one run of the benchmark.
type bench struct {
	Config
	plan plan
	lab  *Lab
}

// Run measures everything, in about six minutes on two cores. It returns when
// ctx ends or nothing is left to measure, and has then stopped every process
// that it started and removed its files. Errors: InvalidArgument (photographs),
// NotFound (programs), Cancelled; plain, with the ends of the logs, where a program
// fails.
func Run(ctx context.Context, cfg Config) (err error) {
	lab, err := NewLab(cfg.Bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	b := &bench{Config: cfg, plan: cfg.plan(), lab: lab}
	if err := b.machine(); err != nil {
		return err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"images per second", b.speed},
		{"child processes", b.isolation},
		{"tasks per second", b.tasks},
		{"memory of a large job", b.memory},
		{"random against balance", b.policies},
	} {
		b.say("%s", part.name)
		start := time.Now()
		if err := part.measure(ctx); err != nil {
			if ctx.Err() != nil {
				return job.E(job.CancelledCode, part.name, errors.New("interrupted"), "")
			}
			return fmt.Errorf("%s: %w", part.name, err)
		}
		b.say("  took %.0f s", time.Since(start).Seconds())
	}
	return nil
}

// start starts a cluster under the seed of the run.
func (b *bench) start(ctx context.Context, p Pool) (*Cluster, error) {
	p.Seed = b.Seed
	return b.lab.Start(ctx, p)
}

// say tells of progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.Progress, "bench: "+format+"\n", args...)
}

package scenario

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
	"spillway/native/opencv"
	"spillway/server/policy"
)

// deadly is a setting in which nodes are killed.
type deadly struct {
	lab    *load.Lab
	trial  load.Trial
	wanted outputs // where nothing goes wrong
}

// outputs are files, by name, with the hash of what they hold.
type outputs map[string][sha256.Size]byte

// flapped is what came of a job whose nodes died.
type flapped struct {
	lost    int // tasks that are not done, outputs that are missing or other than they should be
	doubled int // results that were counted twice, files that are no outputs
	kills   int
	took    float64 // s
}

// flapOnMachine is S12: jobs of real pictures, while nodes are killed and started again.
func flapOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	const pictures = 600
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		base, err := lab.Pictures(ctx, "pictures", pictures)
		if err != nil {
			return nil, err
		}
		trial := load.Trial{
			Loads: []float64{.1, .1, .2, .1}, Delay: 300 * time.Millisecond, Base: base, Slots: 2,
			Operation: job.Operation{Name: job.DefaultOperation},
		}
		if !opencv.Available {
			trial.Operation.Name = job.NoOperation
		}
		s := deadly{lab: lab, trial: trial}
		if _, err := lab.Try(ctx, trial, policy.Default, e.Seed); err != nil {
			return nil, err
		}
		if s.wanted, err = load.Outputs(base); err != nil {
			return nil, err
		}
		words := e.Some(policy.Default, "balance", "least_outstanding", "prequal")
		var lost, doubled, kills, took []float64
		for n := range max(len(words), min(e.Runs(), 12)) {
			word, seed := words[n%len(words)], e.Seed+uint64(n/len(words))
			f, err := s.run(ctx, word, seed)
			if err != nil {
				return nil, err
			}
			e.Say("  %s, seed %d: %d nodes killed in %.1f s, %d lost, %d doubled", word, seed, f.kills, f.took, f.lost, f.doubled)
			lost, doubled = append(lost, float64(f.lost)), append(doubled, float64(f.doubled))
			kills, took = append(kills, float64(f.kills)), append(took, f.took)
		}
		if _, err := e.Mean("kills", "all", kills, "", "on", report.OnMachine); err != nil {
			return nil, err
		}
		if _, err := e.Mean("makespan", "all", took, "s", "on", report.OnMachine); err != nil {
			return nil, err
		}
		return []Figure{e.judged("lost", "all", lost, "", 0), e.judged("doubled", "all", doubled, "", 0)}, nil
	})
}

// run runs a job while nodes are killed, and holds its outputs against those wanted.
func (s deadly) run(ctx context.Context, word string, seed uint64) (f flapped, err error) {
	t := s.trial
	if err := load.ClearOutputs(t.Base); err != nil {
		return f, err
	}
	c, err := s.lab.Start(ctx, t.Pool(seed))
	if err != nil {
		return f, err
	}
	defer c.Stop()
	striking, stop := context.WithCancel(ctx)
	defer stop()
	struck := make(chan error, 1)
	go func() {
		var err error
		f.kills, err = c.Flap(striking, seed, 150*time.Millisecond, 300*time.Millisecond)
		struck <- err
	}()
	start := time.Now()
	j, err := c.Run(ctx, job.Spec{Source: t.Base, Policy: word, Operation: t.Operation})
	f.took = time.Since(start).Seconds()
	stop()
	if err := errors.Join(<-struck, ctx.Err()); err != nil {
		return f, err
	}
	if err != nil && j.ID == "" { // a job that failed is a figure
		return f, c.Failure(err)
	}
	got, err := load.Outputs(t.Base)
	if err != nil {
		return f, err
	}
	f.hold(j, got, s.wanted)
	return f, nil
}

// hold counts what is not as it should be.
func (f *flapped) hold(j job.Job, got, wanted outputs) {
	f.lost += int(j.Total - j.Done)
	for name, sum := range wanted {
		if got[name] != sum {
			f.lost++
		}
	}
	for name := range got {
		if _, known := wanted[name]; !known {
			f.doubled++
		}
	}
	var counts load.Counts
	counts.Add(j)
	f.doubled += max(0, int(counts.Done-j.Total))
}

package scenario

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/job"
	"spillway/server/policy"
)

// The setting of S13, which is run on real programs and in the simulator.
const (
	twinTasks = 240
	twinTime  = 40 * time.Millisecond // of a task
	twinDelay = 400 * time.Millisecond
	twinSlots = 2
)

// twin is what came of a job on real programs, or of its twin in the simulator.
type twin struct {
	makespan, latency float64 // s; latency: the mean, from when the first task left
	rtt, run          float64 // s, of the mean attempt
}

// twinsOnMachine holds the simulator against real programs: nodes with and without load
// probabilities, tasks that take a known time.
func twinsOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		base, err := lab.Empty(ctx, "tasks", twinTasks)
		if err != nil {
			return nil, err
		}
		worst := Figure{Metric: "off", Unit: "%", Target: 5, N: min(e.Runs(), 8)}
		for _, loads := range [][]float64{{0, 0, 0, 0}, {.1, .3, .2, .5}} {
			trial := load.Trial{
				Loads: loads, Delay: twinDelay, Slots: twinSlots, Base: base,
				Operation: job.Operation{Name: job.NoOperation, Params: map[string]string{"ms": strconv.FormatInt(twinTime.Milliseconds(), 10)}},
			}
			// Makespans of random and balance are left out: a run lasts one injected delay or
			// two by chance, so that it would take hundreds of seeds for means within 5 %.
			for _, word := range e.Some(policy.Default, "least_outstanding", "p2c", "round_robin") {
				off, err := holdTwins(ctx, e, lab, trial, word)
				if err != nil {
					return nil, err
				}
				worst.Value = max(worst.Value, 100*off)
			}
		}
		return []Figure{worst}, nil
	})
}

// calibration is added to the first seed for the run from which the simulator gets its
// times: one that draws nothing alike, of a cluster of its own.
const calibration = 1000

// holdTwins plays a policy on real programs and in the simulator, and returns by how much
// the means differ. The simulator is told how long a round trip and a task take, from
// another run of the same setting before, and nothing of the runs that it is held against.
func holdTwins(ctx context.Context, e *Env, lab *load.Lab, trial load.Trial, word string) (float64, error) {
	calibrated, err := realTwin(ctx, lab, trial, word, e.Seed+calibration)
	if err != nil {
		return 0, err
	}
	rtt, run := calibrated.rtt, calibrated.run
	var onMachine, simulated []twin
	for n := range min(e.Runs(), 8) {
		one, err := realTwin(ctx, lab, trial, word, e.Seed+uint64(n))
		if err != nil {
			return 0, err
		}
		onMachine = append(onMachine, one)
	}
	get := func(all []twin, f func(twin) float64) []float64 { return values(all, f) }
	// The simulator costs nothing, so that its mean may come of many more seeds.
	for n := range 20 * len(onMachine) {
		one, err := simulatedTwin(trial, word, e.Seed+uint64(n), seconds(rtt), seconds(run))
		if err != nil {
			return 0, err
		}
		simulated = append(simulated, one)
	}
	worst, loads := 0.0, strings.Trim(fmt.Sprint(trial.Loads), "[]")
	for _, m := range []struct {
		name string
		of   func(twin) float64
	}{{"makespan", func(t twin) float64 { return t.makespan }}, {"latency", func(t twin) float64 { return t.latency }}} {
		metric, ours, theirs := m.name, get(onMachine, m.of), get(simulated, m.of)
		for on, values := range map[string][]float64{report.OnMachine: ours, report.OnSimulator: theirs} {
			if _, err := e.Mean(metric, word, values, "s", "on", on, "loads", loads); err != nil {
				return 0, err
			}
		}
		off := math.Abs(report.Mean(theirs)/report.Mean(ours) - 1)
		e.Say("  %s at %s, %s: %.3f s real, %.3f s simulated (%.1f %%), round trip %.2f ms, task %.2f ms", word, loads, metric,
			report.Mean(ours), report.Mean(theirs), 100*off, 1e3*rtt, 1e3*run)
		worst = max(worst, off)
	}
	return worst, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// realTwin runs a job on a fresh cluster.
func realTwin(ctx context.Context, lab *load.Lab, t load.Trial, word string, seed uint64) (twin, error) {
	c, err := lab.Start(ctx, t.Pool(seed))
	if err != nil {
		return twin{}, err
	}
	defer c.Stop()
	outcomes, err := c.Try(ctx, t, word, seed)
	if err != nil {
		return twin{}, c.Failure(err)
	}
	tasks, err := c.Tasks(ctx, outcomes[0].Job.ID)
	if err != nil {
		return twin{}, err
	}
	var latencies, rtts, runs []float64
	// The simulator lists no folder, so that times count from when the first task left.
	first, last := firstSent(tasks), time.Time{}
	for _, task := range tasks {
		a := task.Attempts[len(task.Attempts)-1] // it is done
		end := a.Sent.Add(a.Took)
		latencies = append(latencies, end.Sub(first).Seconds())
		if end.After(last) {
			last = end
		}
		if !a.Delayed {
			rtts = append(rtts, (a.Took - a.Queued - a.Run).Seconds())
			runs = append(runs, a.Run.Seconds())
		}
	}
	return twin{
		makespan: last.Sub(first).Seconds(), latency: report.Mean(latencies),
		rtt: max(0, report.Mean(rtts)), run: report.Mean(runs),
	}, nil
}

// firstSent is when the first attempt that a node took was sent.
func firstSent(tasks []job.TaskInfo) time.Time {
	var first time.Time
	for _, task := range tasks {
		if at := task.Attempts[0].Sent; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// simulatedTwin plays the same in the simulator.
func simulatedTwin(t load.Trial, word string, seed uint64, rtt, run time.Duration) (twin, error) {
	nodes := slices.Repeat([]sim.Node{{Slots: t.Slots, Delay: t.Delay}}, len(t.Loads))
	for i, p := range t.Loads {
		nodes[i].Probability = p
	}
	r, err := sim.Run(sim.Config{
		Policy: word, Seed: seed, Nodes: nodes, Tasks: twinTasks, Sizes: sim.Sizes{Mean: run}, RTT: max(rtt, 1), Unknown: true,
	})
	return twin{makespan: r.Makespan.Seconds(), latency: r.Latency.Mean.Seconds()}, err
}

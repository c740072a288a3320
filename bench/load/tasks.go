package load

import (
	"context"
	"errors"
	"os"
	"strconv"

	"spillway/bench/report"
)

// tasks measures tasks/s with the operation none; the first run is not recorded.
func (b *bench) tasks(ctx context.Context) error {
	base, err := b.lab.Empty(ctx, "tasks", b.plan.tasks)
	if err != nil {
		return err
	}
	c, err := b.start(ctx, Pool{Loads: make([]float64, b.plan.nodes)})
	if err != nil {
		return err
	}
	defer c.Stop()
	for run := range b.plan.runs + 1 {
		o, err := c.client(ctx, base, b.plan.tasks, "--op", "none")
		if err != nil {
			return err
		}
		if run == 0 {
			continue
		}
		if err := b.recordTasks(run, b.plan.tasks, o); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) recordTasks(run, tasks int, o outcome) error {
	b.say("  %d tasks: %.0f tasks/s", tasks, rate(tasks, o.took))
	return b.Record(report.Result{
		Name: report.Tasks, Seed: b.Seed, Params: map[string]string{"tasks": strconv.Itoa(tasks), "run": strconv.Itoa(run)},
		Value: rate(tasks, o.took), Unit: "tasks/s", Command: o.command,
	})
}

// memory measures the most memory that server and nodes have resident in a large
// job, with programs that have done nothing else.
func (b *bench) memory(ctx context.Context) (err error) {
	base, err := b.lab.Empty(ctx, "large", b.plan.files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	c, err := b.start(ctx, Pool{Loads: make([]float64, b.plan.nodes)})
	if err != nil {
		return err
	}
	defer c.Stop()
	o, err := c.client(ctx, base, b.plan.files, "--op", "none")
	if err != nil {
		return err
	}
	if err := b.recordTasks(1, b.plan.files, o); err != nil {
		return err
	}
	for _, p := range c.all() {
		peak, err := peakMemory(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		b.say("  %s: at most %.1f MB resident", p.name, float64(peak)/1e6)
		if err := b.Record(report.Result{
			Name: report.Memory, Seed: b.Seed, Params: map[string]string{"tasks": strconv.Itoa(b.plan.files), "program": p.name},
			Value: float64(peak) / 1e6, Unit: "MB", Command: o.command,
		}); err != nil {
			return err
		}
	}
	return nil
}

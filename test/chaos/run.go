package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"spillway/job"
)

// result is what came of a run.
type result struct {
	plan    plan
	skipped string   // what the machine lacks for it
	wrong   []string // the violations; none: all is well
	took    time.Duration
	gap     time.Duration // until another server took over
	hit     []kind        // the faults that struck while the job ran
	report  string        // where something is wrong: all that is to be known
}

// run does what a plan says and checks everything afterwards. The folder of a run
// with a violation is kept, with all that the programs said; keep: of any run.
func (k *kit) run(ctx context.Context, p plan, keep bool) result {
	r := result{plan: p, skipped: k.means.lacks(p.needs())}
	if r.skipped != "" {
		return r
	}
	expected, err := k.reference(ctx, p.operation)
	if err != nil {
		r.wrong = []string{err.Error()}
		return r
	}
	begun := time.Now()
	c, err := newCluster(k, p)
	if err != nil {
		r.wrong = []string{"start the cluster: " + err.Error()}
		return r
	}
	r.wrong = c.suffer(ctx, expected)
	r.gap, r.hit = c.gap, c.hit
	if keep || len(r.wrong) > 0 {
		r.report = c.report(r.wrong) // before programs are ended that should not be there
	}
	if err := c.close(); err != nil {
		r.wrong = append(r.wrong, "end the run: "+err.Error())
	}
	if ctx.Err() != nil || len(r.wrong) == 0 && !keep {
		if err := c.remove(); err != nil {
			r.wrong = append(r.wrong, "remove the run's folder: "+err.Error())
		}
	}
	r.took = time.Since(begun)
	return r
}

// suffer runs the job under the plan's faults, and tells what is wrong in the end.
func (c *cluster) suffer(ctx context.Context, expected map[string]string) []string {
	if err := c.begin(ctx); err != nil {
		return []string{"begin the job: " + err.Error()}
	}
	struck := make(chan error, 1)
	go func() { struck <- c.strike(ctx) }()
	last, err := c.wait(ctx)
	err = errors.Join(err, <-struck)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	if last.State != job.Succeeded {
		if wrong, err = c.checkFailure(ctx, last); err != nil {
			return append(wrong, err.Error())
		}
	}
	if err := c.rest(ctx); err != nil {
		return append(wrong, err.Error())
	}
	last, err = c.askJob(ctx, true)
	if err != nil {
		return append(wrong, err.Error())
	}
	wrong = append(wrong, checkAnswer(last, int64(c.plan.inputs))...)
	wrong = append(wrong, c.checkGoroutines()...)
	wrong = append(wrong, c.checkStore(ctx)...)
	if c.db != nil {
		if err := c.db.end(syscall.SIGINT); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	wrong = append(wrong, checkOutputs(c.outputs(), c.plan.inputs, expected)...)
	wrong = append(wrong, c.checkProcesses()...)
	wrong = append(wrong, c.checkFiles()...)
	return append(wrong, c.checkLogs()...)
}

// tailLines is how much of each program's log a report has.
const tailLines = 25

// report is all that is to be known of a run with violations.
func (c *cluster) report(wrong []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nagain: make chaos ARGS=\"--seed %d --runs 1\"    folder: %s\n", c.plan, c.plan.seed, c.dir)
	for _, w := range wrong {
		fmt.Fprintf(&b, "VIOLATION: %s\n", w)
	}
	fmt.Fprintln(&b, strings.Join(c.notes, "\n"))
	for _, p := range c.programs() {
		fmt.Fprintf(&b, "--- %s\n%s\n", p.name, p.tail(tailLines))
	}
	text := b.String()
	if err := os.WriteFile(filepath.Join(c.dir, "report.txt"), []byte(text), 0o644); err != nil {
		text += err.Error()
	}
	return text
}

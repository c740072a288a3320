package load

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Contest says how our programs and plain ones, such as one would write for the same
// work, take turns on the same input.
type Contest struct {
	// Bin holds our programs, and Self is the benchmark itself, which is some of the
	// plain ones, too.
	Bin, Self string
	// Turns is how many each has. One more before them is for the caches and the models,
	// and is not told.
	Turns int
	// Say takes lines for people.
	Say func(format string, args ...any)
}

// Took is what one program took for one turn.
type Took struct {
	Time time.Duration // by the clock
	CPU  time.Duration // of all its processes
}

// Turn is one turn of all programs.
type Turn struct {
	// Count is how much each of them did: faces, frames, seconds of song.
	Count float64
	Ours  Took
	// Plain are those of the plain programs, in their order.
	Plain []Took
}

// Ratio is our speed over that of plain program i.
func (t Turn) Ratio(i int) float64 { return t.Plain[i].Time.Seconds() / t.Ours.Time.Seconds() }

// MedianRatio is the ratio to plain program i of the turn in the middle, or half way
// between the two that are.
func MedianRatio(turns []Turn, i int) float64 {
	sorted := slices.SortedFunc(slices.Values(turns), func(a, b Turn) int { return cmp.Compare(a.Ratio(i), b.Ratio(i)) })
	return (sorted[(len(sorted)-1)/2].Ratio(i) + sorted[len(sorted)/2].Ratio(i)) / 2
}

// contestant does the work once, and tells how much it was.
type contestant func(ctx context.Context) (count float64, took Took, err error)

// run lets the plain programs and ours take turns. Errors: those of the programs; plain,
// where one does not as much as the others.
func (c Contest) run(ctx context.Context, unit string, ours contestant, plain ...contestant) ([]Turn, error) {
	var turns []Turn
	for n := range c.Turns + 1 {
		var t Turn
		for i, does := range slices.Concat(plain, []contestant{ours}) {
			count, took, err := does(ctx)
			switch {
			case err != nil:
				return nil, err
			case i > 0 && count != t.Count:
				return nil, fmt.Errorf("one program did %g %s, and another %g", t.Count, unit, count)
			case i < len(plain):
				t.Plain = append(t.Plain, took)
			default:
				t.Ours = took
			}
			t.Count = count
		}
		if n == 0 {
			continue
		}
		turns = append(turns, t)
		c.Say("  turn %d of %d: %.0f %s; spillway %v%s", n, c.Turns, t.Count, unit, t.Ours, t.plain())
	}
	return turns, nil
}

// plain is how the plain programs did, for people.
func (t Turn) plain() string {
	var all strings.Builder
	for i, took := range t.Plain {
		fmt.Fprintf(&all, "; plain %v, ratio %.3f", took, t.Ratio(i))
	}
	return all.String()
}

// String is for people.
func (t Took) String() string {
	return fmt.Sprintf("%.2f s (CPU %.2f s)", t.Time.Seconds(), t.CPU.Seconds())
}

// runPlain runs a plain program to its end in a process of its own, with more in its
// environment, and returns what it printed.
func runPlain(ctx context.Context, env []string, program string, args ...string) (printed []byte, took Took, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	printed, err = cmd.Output()
	took.Time = time.Since(start)
	if cmd.ProcessState == nil {
		return nil, took, missing(program, err)
	}
	if err != nil {
		return nil, took, fmt.Errorf("the plain program: %w: %.500s", err, stderr.String())
	}
	took.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return printed, took, nil
}

// timed is how long our programs take for what does does, and their CPU time.
func (c *Cluster) timed(does func() (client time.Duration, err error)) (Took, error) {
	before := sum(c.cpu())
	start := time.Now()
	client, err := does()
	return Took{Time: time.Since(start), CPU: sum(c.cpu()) - before + client}, err
}

// sum is the CPU time of all parts.
func sum(parts map[string]time.Duration) (all time.Duration) {
	for _, part := range parts {
		all += part
	}
	return all
}

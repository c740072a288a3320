package load

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"spillway/bench/report"
	"spillway/job"
)

// mallocKept is what a node sets for its child processes.
const mallocKept = "GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1000000000:glibc.malloc.top_pad=67108864"

// The parts whose CPU time is told, in the order of the report.
const (
	plainLoop = "plain loop"
	tunedLoop = "plain loop with malloc settings"
)

func parts() []string {
	return []string{plainLoop, tunedLoop, "client", "server", "nodes", "child processes"}
}

// speed measures images/s against the plain loop. The programs take turns; the
// first turn of each warms the page cache and is not recorded.
func (b *bench) speed(ctx context.Context) error {
	base, images, err := b.photographs("photos")
	if err != nil {
		return err
	}
	c, err := b.start(ctx, oneNode())
	if err != nil {
		return err
	}
	defer c.Stop()
	if err := b.takeTurns(ctx, c, photos{base, images, 0}, map[string]time.Duration{}); err != nil {
		return err
	}
	cpu := map[string]time.Duration{}
	start, before := time.Now(), busy()
	for pair := range b.plan.pairs {
		if err := b.takeTurns(ctx, c, photos{base, images, pair + 1}, cpu); err != nil {
			return err
		}
	}
	if err := b.recordOthers(busy()-before, time.Since(start), cpu); err != nil {
		return err
	}
	if err := b.recordParts(cpu, images*b.plan.pairs); err != nil {
		return err
	}
	same, all, err := identical(plainOutputs(base), filepath.Join(base, job.OutputDir))
	if err != nil {
		return err
	}
	return b.Record(report.Result{
		Name: report.Identical, Seed: b.Seed, Value: float64(same), Unit: "files", Params: map[string]string{"of": strconv.Itoa(all)},
	})
}

// oneNode is a node with a slot a core, so that as many images are worked on at
// once as in the plain loop, and neither wins by having more processes to run
// where the machine is shared.
func oneNode() Pool { return Pool{Loads: []float64{0}} }

// photos is a folder of photographs, their number, and the turn; 0 is not recorded.
type photos struct {
	base   string
	images int
	turn   int
}

// takeTurns runs each program once, and adds the CPU time of each part to used.
func (b *bench) takeTurns(ctx context.Context, c *Cluster, p photos, used map[string]time.Duration) error {
	plain, cpu, err := b.plain(ctx, p)
	if err != nil {
		return err
	}
	used[plainLoop] += cpu
	before := c.cpu()
	ours, err := c.photos(ctx, p)
	if err != nil {
		return err
	}
	for part, cpu := range c.cpu() {
		used[part] += cpu - before[part]
	}
	used["client"] += ours.cpu
	tuned, cpu, err := b.plain(ctx, p, mallocKept)
	used[tunedLoop] += cpu
	if err != nil || p.turn == 0 {
		return err
	}
	perSecond := rate(p.images, ours.took)
	b.say("  turn %d of %d: plain %.1f images/s, spillway %.1f, plain with malloc settings %.1f", p.turn, b.plan.pairs, plain, perSecond, tuned)
	const command = "bench plain DIR/input_dir DIR/plain_output"
	for _, r := range []report.Result{
		{Value: plain, Params: map[string]string{"program": "plain"}, Command: command},
		{Value: perSecond, Params: map[string]string{"program": "spillway"}, Command: ours.command},
		{Value: tuned, Params: map[string]string{"program": "tuned"}, Command: mallocKept + " " + command},
	} {
		r.Name, r.Seed, r.Unit, r.Params["pair"] = report.Speed, b.Seed, "images/s", strconv.Itoa(p.turn)
		if err := b.Record(r); err != nil {
			return err
		}
	}
	return nil
}

// recordOthers records how much of the machine went to programs other than those
// measured.
func (b *bench) recordOthers(busy, took time.Duration, used map[string]time.Duration) error {
	for _, own := range used {
		busy -= own
	}
	share := 100 * busy.Seconds() / (took.Seconds() * float64(runtime.NumCPU()))
	return b.Record(report.Result{Name: report.Others, Seed: b.Seed, Value: max(0, share), Unit: "%"})
}

func (b *bench) recordParts(cpu map[string]time.Duration, images int) error {
	for _, part := range parts() {
		if err := b.Record(report.Result{
			Name: report.CPU, Seed: b.Seed, Params: map[string]string{"part": part},
			Value: cpu[part].Seconds() * 1000 / float64(images), Unit: "ms",
		}); err != nil {
			return err
		}
	}
	return nil
}

// plainOutputs is where the plain loop writes.
func plainOutputs(base string) string { return filepath.Join(base, "plain_output") }

// plain runs the plain loop in a process of its own, with more in its environment,
// and returns its images/s and its CPU time.
func (b *bench) plain(ctx context.Context, of photos, env ...string) (perSecond float64, cpu time.Duration, err error) {
	out := plainOutputs(of.base)
	if err := os.RemoveAll(out); err != nil {
		return 0, 0, err
	}
	printed, took, err := runPlain(ctx, env, b.Self, "plain", filepath.Join(of.base, job.InputDir), out)
	var p Plain
	if err == nil {
		err = json.Unmarshal(printed, &p)
	}
	if err == nil && p.Images != of.images {
		err = fmt.Errorf("the plain loop did %d of %d images", p.Images, of.images)
	}
	return float64(of.images) / p.Seconds, took.CPU, err
}

// photos runs the photographs through the cluster, into an empty output_dir.
func (c *Cluster) photos(ctx context.Context, p photos) (outcome, error) {
	if err := os.RemoveAll(filepath.Join(p.base, job.OutputDir)); err != nil {
		return outcome{}, err
	}
	return c.client(ctx, p.base, p.images, "--op", job.DefaultOperation)
}

// rate is how many a second.
func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

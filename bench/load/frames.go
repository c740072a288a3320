package load

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// FramesConfig says how video:edges is measured.
type FramesConfig struct {
	// Bin holds our programs, and Self is the benchmark itself, which is the plain
	// pipeline, too, when called with [PlainVideo] and what [PlainPipeline] holds.
	Bin, Self string
	// Planes has the plain pipeline pipe planes, as ours does, in place of blue, green and
	// red.
	Planes bool
	// Clip is the video; Pairs is how often both take turns.
	Clip  string
	Pairs int
	// Say takes lines for people.
	Say func(format string, args ...any)
}

// PlainVideo is the benchmark's command that is the plain pipeline: one process that
// pipes the frames of a video from one FFmpeg through OpenCV into another. It prints a
// [Plain] with the frames as its images.
const PlainVideo = "plain-video"

// PlainPipeline is what the plain pipeline does.
type PlainPipeline struct {
	// In and Out are the files.
	In, Out string
	// Planes has frames piped in planes, where the video has them, in place of the blue,
	// green and red that programs with OpenCV usually pipe.
	Planes bool
}

// withPlanes is the argument for Planes.
const withPlanes = "planes"

// Args are those of [PlainVideo].
func (p PlainPipeline) Args() []string {
	args := []string{p.In, p.Out}
	if p.Planes {
		args = append(args, withPlanes)
	}
	return args
}

// ParsePlainPipeline reads what Args gives; false: it is something else.
func ParsePlainPipeline(args []string) (p PlainPipeline, ok bool) {
	if len(args) == 3 && args[2] == withPlanes {
		p.Planes, args = true, args[:2]
	}
	if len(args) != 2 {
		return p, false
	}
	p.In, p.Out = args[0], args[1]
	return p, true
}

// FramesTurn is one turn of both on the same video.
type FramesTurn struct {
	Frames int
	// Plain and Ours are how long each took, from the start of the process, or of the
	// client, to the finished file.
	Plain, Ours time.Duration
	// PlainCPU and OursCPU are the CPU time in it, of the FFmpeg programs, too.
	PlainCPU, OursCPU time.Duration
}

// Ratio is our speed over that of the plain pipeline.
func (t FramesTurn) Ratio() float64 { return t.Plain.Seconds() / t.Ours.Seconds() }

// MedianOfFrames is the ratio of the turn in the middle.
func MedianOfFrames(turns []FramesTurn) float64 {
	sorted := slices.SortedFunc(slices.Values(turns), func(a, b FramesTurn) int { return cmp.Compare(a.Ratio(), b.Ratio()) })
	return (sorted[(len(sorted)-1)/2].Ratio() + sorted[len(sorted)/2].Ratio()) / 2
}

// MeasureFrames runs video:edges through client, server and two nodes with half of the
// cores each, beside the plain pipeline with all of them, in turns, on one video. A turn
// before the first is for the caches, and not told. It checks that both make as many
// frames. Errors: NotFound (programs), InvalidArgument (the clip); plain.
func MeasureFrames(ctx context.Context, cfg FramesConfig) ([]FramesTurn, error) {
	lab, err := NewLab(cfg.Bin)
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	base, inputs, err := lab.folder("video")
	if err != nil {
		return nil, err
	}
	clip := filepath.Join(inputs, "clip"+filepath.Ext(cfg.Clip))
	data, err := os.ReadFile(cfg.Clip)
	if err != nil {
		return nil, job.E(job.InvalidArgument, "--clip", err, "name a video")
	}
	if err := os.WriteFile(clip, data, 0o644); err != nil {
		return nil, err
	}
	slots := strconv.Itoa(max(1, runtime.NumCPU()/2))
	c, err := lab.Start(ctx, Pool{Loads: []float64{0, 0}, NodeArgs: []string{"--slots", slots}})
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	var turns []FramesTurn
	for pair := range cfg.Pairs + 1 {
		turn, err := c.framesTurn(ctx, cfg, base, clip)
		if err != nil {
			return nil, err
		}
		if pair > 0 {
			turns = append(turns, turn)
			cfg.Say("  turn %d of %d: %d frames; plain pipeline %.1f/s, spillway %.1f/s, ratio %.3f (CPU %.2f s and %.2f s)", pair, cfg.Pairs, turn.Frames,
				rate(turn.Frames, turn.Plain), rate(turn.Frames, turn.Ours), turn.Ratio(), turn.PlainCPU.Seconds(), turn.OursCPU.Seconds())
		}
	}
	return turns, nil
}

// framesTurn is one turn.
func (c *Cluster) framesTurn(ctx context.Context, cfg FramesConfig, base, clip string) (t FramesTurn, err error) {
	out := filepath.Join(base, "plain.mp4")
	pipeline := PlainPipeline{In: clip, Out: out, Planes: cfg.Planes}
	cmd := exec.CommandContext(ctx, cfg.Self, append([]string{PlainVideo}, pipeline.Args()...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	printed, err := cmd.Output()
	t.Plain = time.Since(start)
	var p Plain
	if err == nil {
		t.PlainCPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		err = json.Unmarshal(printed, &p)
	}
	if err != nil {
		return t, fmt.Errorf("the plain pipeline: %w: %.500s", err, stderr.String())
	}
	before := sum(c.cpuOfAll())
	start = time.Now()
	if _, err := c.Run(ctx, job.Spec{Source: clip, Operation: job.Operation{Name: job.VideoPrefix + job.DefaultOperation}}); err != nil {
		return t, c.Failure(err)
	}
	t.Ours, t.Frames = time.Since(start), p.Images
	t.OursCPU = sum(c.cpuOfAll()) - before
	return t, sameCount(ctx, t.Frames, out, filepath.Join(base, job.OutputDir, "clip.mp4"))
}

// sameCount checks that every file has so many frames.
func sameCount(ctx context.Context, frames int, files ...string) error {
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		info, err := ffmpeg.Programs{}.Probe(ctx, file)
		file.Close()
		if err != nil {
			return err
		}
		if info.Video == nil || len(info.Video.Times) != frames {
			return errors.New(filepath.Base(name) + " has another number of frames than its source")
		}
	}
	return nil
}

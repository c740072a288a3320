package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"spillway/bench/load"
	"spillway/job"
)

const mediaUsage = `bench media measures operations on faces, videos and sound beside the plain programs that
one would write for them, in turns, and ends with a line a part that tells whether it
meets its target. Parts: faces, sound, video (the default: all).

Examples:
  bench media
  bench media faces --pairs 9 --photos ~/pictures
  bench media video --clip ~/films/clip.mp4
  bench media sound --song ~/music/hour.mp3 --pairs 1

Flags:
`

// mediaConfig is what the command line of media asks for.
type mediaConfig struct {
	parts    []string
	photos   string
	pictures int
	clip     string
	song     string
	planes   bool
	pairs    int
}

// mediaParts are what can be measured, each with how.
func mediaParts() map[string]func(context.Context, mediaConfig, io.Writer, io.Writer) error {
	return map[string]func(context.Context, mediaConfig, io.Writer, io.Writer) error{
		"faces": mediaFaces, "sound": mediaSound, "video": mediaVideo,
	}
}

func newMediaFlags(c *mediaConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench media", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&c.photos, "photos", "data/input_dir", "`folder` of photographs; those without a face are left out")
	flags.IntVar(&c.pictures, "pictures", 48, "how many copies of them a turn works on")
	flags.StringVar(&c.clip, "clip", defaultClip, "`video` to work on")
	flags.StringVar(&c.song, "song", defaultSong, "`song` to take apart")
	flags.BoolVar(&c.planes, "planes", false, "have the plain pipeline of a video pipe planes, as ours does, instead of blue, green and red")
	flags.IntVar(&c.pairs, "pairs", 5, "turns of each program; the one in the middle counts")
	return flags
}

func mediaHelp() string { return mediaUsage + newMediaFlags(&mediaConfig{}).FlagUsages() }

// parseMedia reads the command line. Errors: pflag.ErrHelp; InvalidArgument.
func parseMedia(args []string) (mediaConfig, error) {
	var c mediaConfig
	flags := newMediaFlags(&c)
	wrong := func(why string) error {
		return job.E(job.InvalidArgument, "bench media", errors.New(why), "bench media --help shows examples")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, err
		}
		return c, wrong(err.Error())
	}
	known := mediaParts()
	for _, part := range flags.Args() {
		if known[part] == nil {
			return c, wrong(fmt.Sprintf("there is no part %q", part))
		}
		c.parts = append(c.parts, part)
	}
	if len(c.parts) == 0 {
		for part := range known {
			c.parts = append(c.parts, part)
		}
		slices.Sort(c.parts)
	}
	switch {
	case c.pictures < 1 || c.pictures > 100_000:
		return c, wrong(fmt.Sprintf("--pictures %d is not 1 to 100000", c.pictures))
	case c.pairs < 1 || c.pairs > 1000:
		return c, wrong(fmt.Sprintf("--pairs %d is not 1 to 1000", c.pairs))
	}
	return c, nil
}

// errShort is the error of a part that misses its target; its line has told.
var errShort = errors.New("a target is missed")

// media is the command.
func media(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseMedia(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, mediaHelp())
		return nil
	}
	if err != nil {
		return err
	}
	var short error
	for _, part := range c.parts {
		switch err := mediaParts()[part](ctx, c, stdout, stderr); {
		case errors.Is(err, errShort):
			short = err
		case err != nil:
			return err
		}
	}
	return short
}

// contest is how the programs take turns.
func (c mediaConfig) contest(stderr io.Writer) (load.Contest, error) {
	self, err := os.Executable()
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	return load.Contest{Bin: filepath.Dir(self), Self: self, Turns: c.pairs, Say: say}, err
}

// The least speed beside the plain programs.
const (
	facesTarget = 0.95
	videoTarget = 1.0
	soundTarget = 1.0
)

// mediaFaces measures faces/s.
func mediaFaces(ctx context.Context, c mediaConfig, stdout, stderr io.Writer) error {
	contest, err := c.contest(stderr)
	if err != nil {
		return err
	}
	turns, err := load.MeasureFaces(ctx, contest, c.photos, c.pictures)
	if err != nil {
		return err
	}
	line, err := mediaLine("faces", "faces", facesTarget, turns)
	fmt.Fprintln(stdout, line)
	return err
}

// mediaVideo measures frames/s of video:edges.
func mediaVideo(ctx context.Context, c mediaConfig, stdout, stderr io.Writer) error {
	contest, err := c.contest(stderr)
	if err != nil {
		return err
	}
	turns, err := load.MeasureFrames(ctx, contest, c.clip, c.planes)
	if err != nil {
		return err
	}
	line, err := mediaLine("video", "frames", videoTarget, turns)
	fmt.Fprintln(stdout, line)
	return err
}

// mediaLine is what came of a part, beside its first plain program. Errors: errShort.
func mediaLine(part, unit string, target float64, turns []load.Turn) (string, error) {
	var plain, ours load.Took
	count := 0.0
	for _, t := range turns {
		count += t.Count
		plain.Time, plain.CPU = plain.Time+t.Plain[0].Time, plain.CPU+t.Plain[0].CPU
		ours.Time, ours.CPU = ours.Time+t.Ours.Time, ours.CPU+t.Ours.CPU
	}
	ratio := load.MedianRatio(turns, 0)
	verdict, err := "ok", error(nil)
	if ratio < target {
		verdict, err = "short", errShort
	}
	return strings.Join([]string{
		part, verdict, fmt.Sprintf("ratio=%.3f target=%.2f", ratio, target),
		fmt.Sprintf("spillway=%.1f/s plain=%.1f/s", count/ours.Time.Seconds(), count/plain.Time.Seconds()),
		fmt.Sprintf("cpu=%.1fms plain_cpu=%.1fms", 1000*ours.CPU.Seconds()/count, 1000*plain.CPU.Seconds()/count),
		fmt.Sprintf("%s=%.0f turns=%d cores=%d", unit, count, len(turns), runtime.NumCPU()),
	}, " "), err
}

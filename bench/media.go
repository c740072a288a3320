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

const mediaUsage = `bench media measures operations on faces and videos beside the plain programs that
one would write for them, in turns, and ends with a line a part that tells whether it
meets its target. Parts: faces, video (the default: all).

Examples:
  bench media
  bench media faces --pairs 9 --photos ~/pictures
  bench media video --clip ~/films/clip.mp4

Flags:
`

// mediaConfig is what the command line of media asks for.
type mediaConfig struct {
	parts    []string
	photos   string
	pictures int
	clip     string
	planes   bool
	pairs    int
}

// mediaParts are what can be measured, each with how.
func mediaParts() map[string]func(context.Context, mediaConfig, io.Writer, io.Writer) error {
	return map[string]func(context.Context, mediaConfig, io.Writer, io.Writer) error{
		"faces": mediaFaces, "video": mediaVideo,
	}
}

func newMediaFlags(c *mediaConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench media", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&c.photos, "photos", "data/input_dir", "`folder` of photographs; those without a face are left out")
	flags.IntVar(&c.pictures, "pictures", 48, "how many copies of them a turn works on")
	flags.StringVar(&c.clip, "clip", defaultClip, "`video` to work on")
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

// facesTarget is the least speed beside plain C++.
const facesTarget = 0.95

// mediaFaces measures faces/s.
func mediaFaces(ctx context.Context, c mediaConfig, stdout, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	turns, err := load.MeasureFaces(ctx, load.FacesConfig{
		Bin: filepath.Dir(self), Photos: c.photos, Pictures: c.pictures, Pairs: c.pairs,
		Say: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	line, err := facesLine(turns)
	fmt.Fprintln(stdout, line)
	return err
}

// facesLine is what came of it. Errors: errShort.
func facesLine(turns []load.FacesTurn) (string, error) {
	var plain, ours, plainCPU, oursCPU float64
	faces := 0
	for _, t := range turns {
		plain, ours, faces = plain+t.Plain.Seconds(), ours+t.Ours.Seconds(), faces+t.Faces
		plainCPU, oursCPU = plainCPU+t.PlainCPU.Seconds(), oursCPU+t.OursCPU.Seconds()
	}
	ratio := load.MedianRatio(turns)
	verdict, err := "ok", error(nil)
	if ratio < facesTarget {
		verdict, err = "short", errShort
	}
	return strings.Join([]string{
		"faces", verdict, fmt.Sprintf("ratio=%.3f target=%.2f", ratio, facesTarget),
		fmt.Sprintf("spillway=%.1f/s plain=%.1f/s", float64(faces)/ours, float64(faces)/plain),
		fmt.Sprintf("cpu=%.0fms plain_cpu=%.0fms faces=%d turns=%d cores=%d", 1000*oursCPU/float64(faces), 1000*plainCPU/float64(faces), faces, len(turns), runtime.NumCPU()),
	}, " "), err
}

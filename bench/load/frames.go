package load

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"spillway/job"
	"spillway/native/ffmpeg"
)

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

// MeasureFrames runs video:edges through client, server and two nodes with half of the
// cores each, beside the plain pipeline with all of them, on one video. Both are timed
// from the start of the process, or of the client's call, to the finished file, and must
// make as many frames. With planes the plain pipeline pipes planes, as ours does. Errors: NotFound (programs), InvalidArgument (the clip); plain.
func MeasureFrames(ctx context.Context, c Contest, video string, planes bool) ([]Turn, error) {
	lab, err := NewLab(c.Bin)
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	base, clip, err := lab.oneFile("--clip", video)
	if err != nil {
		return nil, err
	}
	pool, err := lab.Start(ctx, twoNodes())
	if err != nil {
		return nil, err
	}
	defer pool.Stop()
	plain := func(ctx context.Context) (float64, Took, error) {
		out := filepath.Join(base, "plain.mp4")
		var p Plain
		printed, took, err := runPlain(ctx, nil, c.Self, append([]string{PlainVideo}, PlainPipeline{In: clip, Out: out, Planes: planes}.Args()...)...)
		if err == nil {
			err = json.Unmarshal(printed, &p)
		}
		if err != nil {
			return 0, took, err
		}
		frames, err := countFrames(ctx, out)
		if err == nil && frames != p.Images {
			err = errors.New("the plain pipeline lost frames on the way")
		}
		return float64(frames), took, err
	}
	ours := func(ctx context.Context) (float64, Took, error) {
		took, err := pool.timed(func() (time.Duration, error) {
			_, err := pool.Run(ctx, job.Spec{Source: clip, Operation: job.Operation{Name: job.VideoPrefix + job.DefaultOperation}})
			return 0, err
		})
		if err != nil {
			return 0, took, pool.Failure(err)
		}
		frames, err := countFrames(ctx, filepath.Join(base, job.OutputDir, "clip.mp4"))
		return float64(frames), took, err
	}
	return c.run(ctx, "frames", ours, plain)
}

// twoNodes have half of the cores each.
func twoNodes() Pool {
	slots := strconv.Itoa(max(1, runtime.NumCPU()/2))
	return Pool{Loads: []float64{0, 0}, NodeArgs: []string{"--slots", slots}}
}

// oneFile makes a job's folder with a copy of a file, "clip" with its ending, and returns
// both. Errors: InvalidArgument, naming the flag.
func (l *Lab) oneFile(flag, path string) (base, file string, err error) {
	base, inputs, err := l.folder("one")
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(inputs, "clip"+filepath.Ext(path))
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", job.E(job.InvalidArgument, flag, err, "name another file, or run make bench-media, which fetches what the default needs")
	}
	return base, file, os.WriteFile(file, data, 0o644)
}

// countFrames counts those of a video.
func countFrames(ctx context.Context, name string) (int, error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := ffmpeg.Programs{}.Probe(ctx, file)
	if err != nil {
		return 0, err
	}
	if info.Video == nil {
		return 0, errors.New(filepath.Base(name) + " has no frames")
	}
	return len(info.Video.Times), nil
}

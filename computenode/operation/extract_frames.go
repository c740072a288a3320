package operation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// extractFrames takes pictures of a video. The server plans it in parts of a few
// pictures each, so that an attempt's outputs are known by name.
type extractFrames struct{}

var (
	_ Operation = extractFrames{}
	_ partial   = extractFrames{}
)

// Info describes the operation.
func (extractFrames) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.ExtractFrames, Summary: "pictures of a video, as <name>.<number>.png", Params: job.SamplingParams()}
}

// Outputs is empty: a video without a plan is looked at, to tell what is wrong with it.
func (extractFrames) Outputs(string, job.Args) []string { return nil }

// PartOutputs are the pictures from From to To, by number from 0.
func (extractFrames) PartOutputs(_ job.ID, p job.Part, _ job.Args) []string {
	var names []string
	for k := p.From; k < p.To && len(names) < job.PicturesPerPart; k++ {
		names = append(names, stem(p.File)+"."+strconv.FormatInt(k, 10)+".png")
	}
	return names
}

// Run writes the pictures of a part.
func (x extractFrames) Run(ctx context.Context, f *Files, args job.Args) error {
	in, err := f.Media()
	if err != nil {
		return err
	}
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return err
	}
	p, isPart := f.Part()
	s, err := ffmpeg.NewSampling(args.Float("rate"), args.Float("start"), args.Float("length"))
	switch {
	case err != nil:
		return job.E(job.InvalidArgument, "rate", err, "")
	case !isPart && s.Count(info.Video) > job.MaxPictures:
		return job.E(job.InvalidArgument, "run "+job.ExtractFrames, fmt.Errorf("%d pictures of one video are more than the %d that are allowed", s.Count(info.Video), job.MaxPictures), "use a lower rate or a shorter length")
	case !isPart:
		return job.E(job.InvalidArgument, "run "+job.ExtractFrames, errors.New("there is no frame in the range"), "use another start or length")
	}
	s.Skip, s.Limit = int(p.From), int(p.To-p.From)
	pictures, err := programs().Images(ctx, in, info.Video, s)
	if err != nil {
		return err
	}
	defer pictures.Close()
	for _, name := range f.allowed {
		data, err := pictures.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s is missing", ffmpeg.ErrDamaged, name)
		}
		if err != nil {
			return err
		}
		if err := f.Write(name, data); err != nil {
			return err
		}
	}
	return nil
}

// Native is false: FFmpeg has processes of its own, which can break nothing here.
func (extractFrames) Native() bool { return false }

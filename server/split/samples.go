package split

import (
	"context"
	"fmt"
	"os"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// samples are videos that pictures are taken of: so many at a time are a task, and
// nothing is joined.
type samples struct{}

func (samples) takes(ext string) bool { return videoEndings.takes(ext) }

// plan counts the pictures.
func (samples) plan(ctx context.Context, in *os.File, name string, op job.Operation) ([]job.Part, error) {
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return nil, err
	}
	args, err := job.OperationInfo{Name: op.Name, Params: job.SamplingParams()}.Check(op)
	if err != nil {
		return nil, err
	}
	s, err := ffmpeg.NewSampling(args.Float("rate"), args.Float("start"), args.Float("length"))
	if err != nil {
		return nil, err
	}
	count := int64(s.Count(info.Video))
	if count > job.MaxPictures {
		return nil, fmt.Errorf("%d pictures are too many", count)
	}
	of := (count + job.PicturesPerPart - 1) / job.PicturesPerPart
	parts := make([]job.Part, of)
	for i := range parts {
		from := int64(i) * job.PicturesPerPart
		to := min(count, from+job.PicturesPerPart)
		parts[i] = job.Part{File: name, Number: i + 1, Of: int(of), From: from, To: to, Count: to - from, Note: "-"}
	}
	return parts, nil
}

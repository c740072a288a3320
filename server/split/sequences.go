package split

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// grouper is a kind of which several inputs are one task.
type grouper interface {
	kind
	// group makes tasks of the names of all inputs. Errors: FailedPrecondition.
	group(names []string) ([]job.Part, error)
}

// sequences are numbered pictures that become a video: runs of them are tasks, and become
// segments of it.
type sequences struct {
	pictures
	op job.Operation
}

var (
	_ grouper = sequences{}
	_ joiner  = sequences{}
)

// picturesPerSegment is how many pictures a part has: so few that a node has them done in
// well less than a minute, be they of 12 megapixels.
const picturesPerSegment = 32

func (sequences) plan(context.Context, *os.File, string, job.Operation) ([]job.Part, error) {
	return nil, nil
}

// numbered is a picture and its file's name.
type numbered struct {
	job.Picture
	name string
}

// group cuts each sequence into parts: its first picture is their file, and From and
// To are the numbers. A picture without a number is a task of its own, which a node will
// refuse with the reason.
func (sequences) group(names []string) ([]job.Part, error) {
	var all []numbered
	var parts []job.Part
	for _, name := range names {
		p, ok := job.ParsePicture(name)
		if !ok {
			parts = append(parts, job.Part{File: name})
			continue
		}
		all = append(all, numbered{p, name})
	}
	slices.SortFunc(all, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Ext, b.Ext), cmp.Compare(a.Number, b.Number))
	})
	begin := 0
	for i, p := range all {
		switch {
		case i == begin:
			continue
		case p.Of(all[i-1].Picture) && p.Number == all[i-1].Number, !p.Of(all[i-1].Picture) && p.Sequence == all[i-1].Sequence:
			return nil, clash(all[i-1].name, p.name)
		case !p.Of(all[i-1].Picture):
			parts = append(parts, runs(all[begin:i])...)
			begin = i
		}
	}
	return append(parts, runs(all[begin:])...), nil
}

// runs are the parts of one sequence.
func runs(pictures []numbered) []job.Part {
	length := max(picturesPerSegment, (len(pictures)+maxParts-1)/maxParts)
	var parts []job.Part
	for run := range slices.Chunk(pictures, length) {
		parts = append(parts, job.Part{
			File: pictures[0].name, Number: len(parts) + 1, From: run[0].Number, To: run[len(run)-1].Number + 1, Count: int64(len(run)), Note: "-",
		})
	}
	for i := range parts {
		parts[i].Of = len(parts)
	}
	return parts
}

// outputs is an MP4 of the sequence's name.
func (sequences) outputs(name string) []string {
	first, _ := job.ParsePicture(name)
	return []string{first.Sequence + ".mp4"}
}

// join makes one video, whose frames are counted.
func (s sequences) join(ctx context.Context, j joining) error {
	how := ffmpeg.Joining{Segments: j.segments, Rate: ffmpeg.Ratio(job.CreateRate(s.op.Params["rate"]))}
	if name := s.op.Params["audio"]; name != "" {
		sound, err := j.input(name)
		if err != nil {
			return err
		}
		defer sound.Close()
		how.Sound = sound
		if how.Info, err = soundOf(ctx, sound, name); err != nil {
			return err
		}
		how.Begin = how.Info.Begin()
	}
	var planned int64
	for _, p := range j.parts {
		planned += p.Count
	}
	if err := programs().Join(ctx, j.outs[0], how); err != nil {
		return err
	}
	made, err := programs().Probe(ctx, j.outs[0])
	if err != nil {
		return err
	}
	if made.Video == nil || int64(len(made.Video.Times)) != planned {
		return errors.New("the video has another number of frames than there are pictures")
	}
	return nil
}

// soundOf is what a file holds that has sound. Errors: InvalidArgument.
func soundOf(ctx context.Context, in *os.File, name string) (*ffmpeg.Info, error) {
	info, err := programs().ProbeSound(ctx, in)
	if errors.Is(err, ffmpeg.ErrNotMedia) || errors.Is(err, ffmpeg.ErrNoAudio) {
		return nil, job.E(job.InvalidArgument, "take the sound of "+job.Shown(name), err, "name a file with sound with audio=NAME")
	}
	return info, err
}

func clash(a, b string) error {
	return job.E(job.FailedPrecondition, "list "+job.InputDir, fmt.Errorf("%s and %s are for the same place in one video", job.Shown(a), job.Shown(b)), "remove or rename one of them")
}

// grouped yields the tasks of a kind that groups its inputs.
func (s *Source) grouped(ctx context.Context, g grouper, yield func(name string) bool) error {
	var names []string
	err := s.list(ctx, func(name string) bool {
		if isInput(g, name) {
			names = append(names, name)
		}
		return true
	})
	if err != nil {
		return err
	}
	parts, err := g.group(names)
	if err != nil {
		return err
	}
	for _, p := range parts {
		name := p.File
		if p.Of > 0 {
			name = p.Name()
		}
		if !yield(name) {
			return nil
		}
	}
	return nil
}

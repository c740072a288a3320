package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"spillway/computenode/operation"
	"spillway/job"
	"spillway/native/ffmpeg"
)

// Create implements [Native]. All pictures must have the size of the first. The sound
// goes with the video whole, even if it is longer.
func (h Here) Create(ctx context.Context, c job.Creation, out string) error {
	picture := c.Names[0]
	silent := out
	if c.Audio != "" {
		silent = out + ".silent"
		defer os.Remove(silent)
	}
	if err := h.encode(ctx, c, silent, &picture); err != nil {
		return explain(picture, err)
	}
	if c.Audio == "" {
		return nil
	}
	return explain(c.Audio, h.addSound(ctx, silent, c, out))
}

// encode makes the video; picture is the one that it is at.
func (h Here) encode(ctx context.Context, c job.Creation, out string, picture *string) (err error) {
	to, err := os.Create(out)
	if err != nil {
		return err
	}
	defer to.Close()
	names := c.Names
	if c.Duration > 0 {
		if most := math.Ceil(c.Duration.Seconds()*c.Rate.Float() - 1e-6); most < float64(len(names)) {
			names = names[:max(1, int(most))]
		}
	}
	var frames *ffmpeg.FrameWriter
	var width, height int
	for _, *picture = range names {
		im, err := operation.Picture(*picture)
		if err != nil {
			return err
		}
		if frames == nil {
			width, height = im.Width(), im.Height()
			frames, err = h.Programs.Encode(ctx, to, ffmpeg.Encoding{Width: width, Height: height, Rate: ffmpeg.Ratio(c.Rate)})
			if err != nil {
				im.Close()
				return err
			}
			defer frames.Close()
		}
		if im.Width() != width || im.Height() != height {
			err = job.E(job.InvalidArgument, "", fmt.Errorf("it has %d × %d pixels, and the first picture %d × %d", im.Width(), im.Height(), width, height),
				"make all pictures of one size")
		} else {
			err = frames.Write(0, im.Pixels())
		}
		im.Close()
		if err != nil {
			return err
		}
	}
	return errors.Join(frames.Finish(), to.Close())
}

// addSound gives the video at silent the sound of a file.
func (h Here) addSound(ctx context.Context, silent string, c job.Creation, out string) error {
	video, err := os.Open(silent)
	if err != nil {
		return err
	}
	defer video.Close()
	sound, err := os.Open(c.Audio)
	if err != nil {
		return err
	}
	defer sound.Close()
	info, err := h.Programs.ProbeSound(ctx, sound)
	if err != nil {
		return err
	}
	to, err := os.Create(out)
	if err != nil {
		return err
	}
	err = h.Programs.Join(ctx, to, ffmpeg.Joining{Segments: []*os.File{video}, Rate: ffmpeg.Ratio(c.Rate), Sound: sound, Info: info, Begin: info.Begin()})
	return errors.Join(err, to.Close())
}

package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
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
		im, err := load(*picture)
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
	info, err := h.Programs.Probe(ctx, sound)
	if err == nil && len(info.Audio) == 0 {
		err = ffmpeg.ErrNoAudio
	}
	if err != nil {
		return err
	}
	to, err := os.Create(out)
	if err != nil {
		return err
	}
	err = h.Programs.Join(ctx, to, ffmpeg.Joining{Segments: []*os.File{video}, Rate: ffmpeg.Ratio(c.Rate), Sound: sound, Info: info})
	return errors.Join(err, to.Close())
}

// maxPicture bounds the size of a picture file.
const maxPicture = 512 << 20

// load reads a picture; the caller closes it.
func load(path string) (*opencv.Image, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxPicture {
		err = job.E(job.InvalidArgument, "", fmt.Errorf("its %d MiB are more than the %d that are allowed", info.Size()>>20, maxPicture>>20), "make the file smaller")
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return opencv.Decode(data)
}

// store writes a picture in the format that the name's extension says.
func store(path string, im *opencv.Image) error {
	data, err := opencv.Encode(im, filepath.Ext(path))
	if err != nil {
		return err
	}
	defer data.Close()
	return os.WriteFile(path, data.Bytes(), 0o644)
}

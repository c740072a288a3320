package split

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// frames are videos whose frames are worked on one by one: runs of them are tasks, and
// become segments of one video.
type frames struct{}

var _ joiner = frames{}

// How long a part is: so many pixels that a node has it done in some seconds, but not so
// few frames that starting takes longer, nor so many that there is nothing to share.
const (
	partPixels = 40_000_000
	minFrames  = 16
	maxFrames  = 120
	maxParts   = ffmpeg.MaxSegments
	maxEffort  = 128_000_000 // of a part, in pixels: a node gives up what takes a minute
)

func (frames) takes(ext string) bool { return videoEndings.takes(ext) }

// plan cuts between frames, by their timestamps.
func (frames) plan(ctx context.Context, in *os.File, name string, op job.Operation) ([]job.Part, error) {
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return nil, err
	}
	v := info.Video
	ends := cuts(len(v.Times), effort(op, v.Width, v.Height), v.Keys)
	parts := make([]job.Part, len(ends))
	from := 0
	for i, to := range ends {
		v.Search = v.SearchFor(from)
		parts[i] = job.Part{
			File: name, Number: i + 1, Of: len(ends), From: v.Times[from], To: v.End, Count: int64(to - from), Note: v.Sketch() + identity(in),
		}
		if to < len(v.Times) {
			parts[i].To = v.Times[to]
		}
		from = to
	}
	return parts, nil
}

// cuts are the ends of the parts of a video of so many frames, each of which takes an
// effort as so many pixels. A cut goes to a frame
// that can be decoded alone where one is near, so that nothing is decoded twice.
func cuts(count, effort int, keys []int) []int {
	length := min(maxFrames, max(minFrames, partPixels/max(1, effort)))
	if minFrames*effort > maxEffort {
		length = max(1, maxEffort/effort)
	}
	length = max(length, (2*count+maxParts-1)/maxParts) // cuts may move by half a part
	var ends []int
	next := 0
	for from := 0; from < count; {
		to := from + length
		for next < len(keys) && keys[next] <= from+length/2 {
			next++
		}
		if next < len(keys) && keys[next] <= from+length+length/2 {
			to = keys[next]
		}
		if count-to < length/2 { // no part is much shorter than the others
			to = count
		}
		ends = append(ends, to)
		from = to
	}
	return ends
}

func (frames) outputs(name string) []string {
	return []string{strings.TrimSuffix(name, filepath.Ext(name)) + ".mp4"}
}

// join makes one video with the sound of the source, whose frames are counted.
func (frames) join(ctx context.Context, j joining) error {
	if err := j.sameSource(); err != nil {
		return err
	}
	info, err := programs().Probe(ctx, j.source)
	if err != nil {
		return err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return err
	}
	v := info.Video
	var planned int64
	how := ffmpeg.Joining{Segments: j.segments, Rate: v.Rate, Sound: j.source, Info: info}
	for _, p := range j.parts {
		planned += p.Count
		if v.Variable {
			how.Base, how.Lengths = v.TimeBase, append(how.Lengths, p.To-p.From)
		}
	}
	if planned != int64(len(v.Times)) {
		return fmt.Errorf("the video has %d frames now, and had %d when it was split", len(v.Times), planned)
	}
	if err := programs().Join(ctx, j.outs[0], how); err != nil {
		return err
	}
	return sameFrames(ctx, j.outs[0], v)
}

// sameFrames checks the number and the rate of the frames of a video that was made of
// another.
func sameFrames(ctx context.Context, made *os.File, of *ffmpeg.Video) error {
	info, err := programs().Probe(ctx, made)
	if err != nil {
		return err
	}
	switch {
	case info.Video == nil || len(info.Video.Times) != len(of.Times):
		return errors.New("the joined video has another number of frames than its source")
	case !of.Variable && info.Video.Rate != of.Rate:
		return fmt.Errorf("the joined video has %v frames a second, and its source %v", info.Video.Rate, of.Rate)
	}
	return nil
}

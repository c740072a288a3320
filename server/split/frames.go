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
)

func (frames) takes(ext string) bool { return videoEndings.takes(ext) }

// plan cuts between frames, by their timestamps.
func (frames) plan(ctx context.Context, in *os.File, name string, _ job.Operation) ([]job.Part, error) {
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return nil, err
	}
	v := info.Video
	ends := cuts(len(v.Times), v.Width*v.Height, v.Keys)
	parts := make([]job.Part, len(ends))
	from := 0
	for i, to := range ends {
		parts[i] = job.Part{
			File: name, Number: i + 1, Of: len(ends), From: v.Times[from], To: v.End, Count: int64(to - from), Note: v.Sketch(),
		}
		if to < len(v.Times) {
			parts[i].To = v.Times[to]
		}
		from = to
	}
	return parts, nil
}

// cuts are the ends of the parts of a video of so many frames. A cut goes to a frame
// that can be decoded alone where one is near, so that nothing is decoded twice.
func cuts(count, pixels int, keys []int) []int {
	length := min(maxFrames, max(minFrames, partPixels/max(1, pixels)))
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

// join makes one video with the sound of the source, whose frames are counted. All else
// about the source is known from the plan, so that only its header is read again.
func (frames) join(ctx context.Context, j joining) error {
	first := j.parts[0]
	if len(j.parts) != first.Of {
		return fmt.Errorf("there are %d of the %d parts that it was split into", len(j.parts), first.Of)
	}
	v, err := ffmpeg.ParseSketch(first.Note)
	if err != nil {
		return err
	}
	info, err := programs().Header(ctx, j.source)
	if err != nil {
		return err
	}
	if now := info.Video; now == nil || now.Stream != v.Stream || now.Width != v.Width || now.Height != v.Height || now.TimeBase != v.TimeBase {
		return errors.New("it is another video than when it was split")
	}
	var planned int64
	how := ffmpeg.Joining{Segments: j.segments, Rate: v.Rate, Sound: j.source, Info: info, Begin: v.TimeBase.Duration(first.From)}
	for _, p := range j.parts {
		planned += p.Count
		if v.Variable {
			how.Base, how.Lengths = v.TimeBase, append(how.Lengths, p.To-p.From)
		}
	}
	if err := programs().Join(ctx, j.outs[0], how); err != nil {
		return err
	}
	return sameFrames(ctx, j.outs[0], v, planned)
}

// sameFrames checks the number and the rate of the frames of a video that was made of
// another. An MP4 counts each packet that is written to it, so that its header will do.
func sameFrames(ctx context.Context, made *os.File, of *ffmpeg.Video, count int64) error {
	info, err := programs().Header(ctx, made)
	if err != nil {
		return err
	}
	switch {
	case info.Video == nil || info.Video.Counted != count:
		return errors.New("the joined video has another number of frames than its source")
	case !of.Variable && info.Video.Rate != of.Rate:
		return fmt.Errorf("the joined video has %v frames a second, and its source %v", info.Video.Rate, of.Rate)
	}
	return nil
}

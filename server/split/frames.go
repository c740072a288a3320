package split

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// frames are videos whose frames are worked on one by one: runs of them are tasks, and
// become segments of one video.
type frames struct{}

var _ joiner = frames{}

// How long a part is: so many pixels that a node has it done in some seconds, and the two
// programs that it starts cost little beside, but not so many frames that there is nothing
// to share. A video of more than maxParts has longer ones.
const (
	partPixels = 60_000_000
	minFrames  = 16
	maxFrames  = 140
	maxParts   = ffmpeg.MaxSegments / 2
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
// effort as so many pixels. They are about equal. A cut goes to a frame that can be decoded
// alone where one is near, so that nothing is decoded twice.
func cuts(count, effort int, keys []int) []int {
	length, most := min(maxFrames, max(minFrames, partPixels/max(1, effort))), maxParts
	if minFrames*effort > maxEffort {
		length, most = max(1, maxEffort/effort), ffmpeg.MaxSegments
	}
	n := min(count, shared((count+length-1)/length, most))
	ends := make([]int, n)
	for i := range ends[:n-1] {
		ends[i] = nearest(keys, int(int64(i+1)*int64(count)/int64(n)), count/n/4)
	}
	ends[n-1] = count
	return ends
}

// nearest is the one of keys, which rise, that is nearest to at, where it is not further
// off than most; else at itself.
func nearest(keys []int, at, most int) int {
	next, _ := slices.BinarySearch(keys, at)
	best, off := at, most+1
	for _, k := range keys[max(0, next-1):min(len(keys), next+1)] {
		if d := max(k-at, at-k); d < off {
			best, off = k, d
		}
	}
	return best
}

// shared is the number of parts, at least n but at most most, that most numbers of equal
// nodes have done at once: 8 or less but 5 and 7, or a multiple of 12.
func shared(n, most int) int {
	switch {
	case n == 5, n == 7:
		return n + 1
	case n <= 8:
		return max(1, n)
	}
	return min((n+11)/12*12, most/12*12)
}

func (frames) outputs(name string) []string {
	return []string{strings.TrimSuffix(name, filepath.Ext(name)) + ".mp4"}
}

// join makes one video with the sound of the source, whose frames are counted. All else
// about the source is known from the plan, so that only its header is read again.
func (frames) join(ctx context.Context, j joining) error {
	if err := j.sameSource(); err != nil {
		return err
	}
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

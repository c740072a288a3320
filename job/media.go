package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MeshPrefix begins the name of a picture with a mesh drawn on it.
const MeshPrefix = "mesh-"

// MaxFrames bounds the pictures that one call makes, or that a video is made of.
const MaxFrames = 100_000

// FacePoints is how many points a face has.
const FacePoints = 68

// Media works on the files of a node's file space, see [Files]. The node implements
// it, and so does a connection to it. All methods may be called concurrently; native
// code runs in child processes of the node.
//
// Errors of every method: NotFound (no such file), InvalidArgument or DataLoss (a
// file of another kind, or damaged), ResourceExhausted and Unavailable (no room),
// Unimplemented (this node cannot do that), Internal (native code broke),
// Cancelled, DeadlineExceeded.
type Media interface {
	// View is what the node works on at this moment, the oldest first: tasks of jobs
	// and calls of Media.
	View(ctx context.Context) ([]Activity, error)
	// Metadata describes a video.
	Metadata(ctx context.Context, name string) (VideoInfo, error)
	// Extract writes a picture a frame, and returns their names in order.
	Extract(ctx context.Context, e Extraction) ([]string, error)
	// Create makes a video of pictures, and returns its name.
	Create(ctx context.Context, c Creation) (string, error)
	// DetectFace is the [FacePoints] points of the first face of a picture, in pixels
	// from its upper left corner; none where it shows no face.
	DetectFace(ctx context.Context, name string) ([]Point, error)
	// DrawMesh draws the Delaunay triangles over the points of a face into a copy of
	// the picture, whose name is [MeshPrefix] and the picture's.
	DrawMesh(ctx context.Context, name string, face []Point) (string, error)
}

// Activity is one thing that a node works on.
type Activity struct {
	File      string // the name of the file
	Operation string
	Since     time.Time
}

// Frame parts the name of a file that follows <video_id>.<frame>.<extension>. Any
// other is frame 0 of the video whose id is the name without its extension.
func (a Activity) Frame() (video string, frame int64) { return FrameOf(a.File) }

// FrameName is the name of one picture of a video.
func FrameName(video string, frame int64) string {
	return video + "." + strconv.FormatInt(frame, 10) + ".png"
}

// FrameOf is what [Activity.Frame] promises, of a name. White space and control
// characters in the id become underscores, so that it is one word.
func FrameOf(name string) (video string, frame int64) {
	video = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.TrimSuffix(name, path.Ext(name)))
	if at := strings.LastIndexByte(video, '.'); at > 0 {
		if n, err := strconv.ParseUint(video[at+1:], 10, 63); err == nil {
			return video[:at], int64(n)
		}
	}
	return video, 0
}

// Point is a place in a picture, in pixels.
type Point struct{ X, Y float64 }

// VideoInfo describes a video.
type VideoInfo struct {
	Rate          Rate
	Duration      time.Duration
	Width, Height int    // as it is shown, in pixels
	Codec         string // as FFmpeg calls it
	Frames        int64
	Audio         bool // there is sound, too
}

// Extraction asks for the pictures of a video. The one of the moment t, from 0, of a
// video that is extracted at r pictures a second has the number t·r.
type Extraction struct {
	Name     string
	Rate     Rate          // pictures a second; zero: every frame of the video
	From     time.Duration // where to begin
	Duration time.Duration // 0: to the end
}

// Creation asks for a video of pictures.
type Creation struct {
	Names    []string      // of the pictures, in order; at least one
	Rate     Rate          // pictures a second; zero: 25
	Duration time.Duration // it ends then, even if pictures are left; 0: with the last
	// Output is the video's name, which replaces what had it. "": made of the first
	// picture's video id, and new.
	Output string
	// Audio names a file whose sound goes with the video. "": none.
	Audio string
}

// Rate is frames a second, as a fraction: 30000/1001 for 29.97. The zero Rate is
// none.
type Rate struct{ Num, Den int64 }

// Float is the rate as a number; 0 of the zero Rate.
func (r Rate) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// String is the rate as people write it: 25, or 29.97 with at most three digits behind
// the point. [ParseRate] reads it back.
func (r Rate) String() string {
	return strconv.FormatFloat(math.Round(r.Float()*1000)/1000, 'f', -1, 64)
}

// IsZero tells that there is no rate.
func (r Rate) IsZero() bool { return r == Rate{} }

// maxRate bounds what a rate can be, in frames a second.
const maxRate = 1000

// Check reports whether the rate is one: above 0, and at most 1000. Errors:
// InvalidArgument.
func (r Rate) Check() error {
	if r.Num > 0 && r.Den > 0 && r.Num <= math.MaxInt32 && r.Den <= math.MaxInt32 && r.Float() <= maxRate {
		return nil
	}
	return E(InvalidArgument, "frame rate", fmt.Errorf("%d/%d is not above 0 and at most %d", r.Num, r.Den, maxRate), "use one such as 25, 29.97 or 30000/1001")
}

// ParseRate reads 25, 29.97 or 30000/1001. The rates of NTSC, which are n·1000/1001,
// are known by their decimals: 23.976, 29.97, 59.94. Decimals are read to a thousandth.
// Errors: InvalidArgument.
func ParseRate(text string) (Rate, error) {
	bad := E(InvalidArgument, "frame rate "+Shown(fmt.Sprintf("%.40s", text)), fmt.Errorf("it is no number from 0.001 to %d", maxRate),
		"use one such as 25, 29.97 or 30000/1001")
	r, ok := parseRate(text)
	if !ok || r.Check() != nil {
		return Rate{}, bad
	}
	return r, nil
}

func parseRate(text string) (r Rate, ok bool) {
	if num, den, fraction := strings.Cut(text, "/"); fraction {
		n, errN := strconv.ParseInt(num, 10, 32)
		d, errD := strconv.ParseInt(den, 10, 32)
		return Rate{n, d}, errors.Join(errN, errD) == nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0 && f <= maxRate) {
		return Rate{}, false
	}
	if whole := math.Round(f); f == whole {
		return Rate{int64(whole), 1}, true
	}
	if n := math.Ceil(f); math.Abs(n*1000/1001-f) < 0.005 {
		return Rate{int64(n) * 1000, 1001}, true
	}
	return Rate{int64(math.Round(f * 1000)), 1000}, true
}

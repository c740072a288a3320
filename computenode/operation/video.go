package operation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// applier is an operation that makes a picture of a picture, of the input of f. It may
// change src and return it, or return a new image, which the caller closes.
type applier interface {
	Operation
	Apply(ctx context.Context, f *Files, src *opencv.Image, args job.Args) (*opencv.Image, error)
}

// video does to every frame of a video what an operation on pictures does to a picture.
// A part is a run of frames, by their timestamps, and becomes a segment, which the
// server joins; a whole file becomes a video with its sound.
type video struct {
	inner applier
}

var (
	_ Operation = video{}
	_ partial   = video{}
)

// videos are the operations on videos that those on pictures make.
func videos(all []Operation) []Operation {
	var made []Operation
	for _, op := range all {
		if inner, ok := op.(applier); ok {
			made = append(made, video{inner})
		}
	}
	return made
}

// Info has the parameters of the operation on a picture.
func (v video) Info() job.OperationInfo {
	info := v.inner.Info()
	info.Name = job.VideoPrefix + info.Name
	what, _, _ := strings.Cut(info.Summary, ", as ") // no frame has a file's name
	info.Summary = "each frame of a video: " + what
	return info
}

// scratch ends the name of what is written on the way to a whole video.
const scratch = ".frames"

// Outputs is an MP4 of the input's name, and what is made on the way to it.
func (v video) Outputs(name string, _ job.Args) []string {
	return []string{stem(name) + ".mp4", name + scratch}
}

// PartOutputs is the part's segment.
func (v video) PartOutputs(id job.ID, p job.Part, _ job.Args) []string {
	return []string{p.Segment(id)}
}

// Run decodes, applies and encodes.
func (v video) Run(ctx context.Context, f *Files, args job.Args) error {
	if !opencv.Available {
		return opencv.ErrUnavailable
	}
	in, err := f.Media()
	if err != nil {
		return err
	}
	w := &frameWork{programs: programs(), inner: v.inner, files: f, args: args, in: in}
	if p, isPart := f.Part(); isPart {
		return w.part(ctx, f, p)
	}
	return w.whole(ctx, f)
}

// programs are FFmpeg's, with one thread each: a node has a task for each core.
func programs() ffmpeg.Programs { return ffmpeg.Programs{Threads: 1} }

// frameWork is the work on the frames of one input.
type frameWork struct {
	programs ffmpeg.Programs
	inner    applier
	files    *Files
	args     job.Args
	in       *os.File
	video    *ffmpeg.Video
}

// part makes a segment of a run of frames.
func (w *frameWork) part(ctx context.Context, f *Files, p job.Part) error {
	var err error
	if w.video, err = ffmpeg.ParseSketch(p.Note); err != nil {
		return job.E(job.InvalidArgument, "read "+p.String(), err, "")
	}
	out, err := f.Create(f.allowed[0])
	if err != nil {
		return err
	}
	return w.exactly(ctx, out, ffmpeg.Run{From: p.From, To: p.To}, p.Count)
}

// exactly encodes a run that has count frames, the first at its very beginning. Where
// seeking gave others, the run is decoded again from the start of the file.
func (w *frameWork) exactly(ctx context.Context, out *os.File, r ffmpeg.Run, count int64) error {
	var done int64
	for _, seek := range []bool{true, false} {
		if seek && !w.video.CanSeek() {
			continue
		}
		n, first, err := w.encode(ctx, out, r, seek)
		if err == nil && n == count && first == r.From {
			return nil
		}
		if ctx.Err() != nil || err != nil && !seek {
			return err
		}
		done = n
	}
	return fmt.Errorf("%w: %d of %d frames can be decoded", ffmpeg.ErrDamaged, done, count)
}

// encode does a run of frames, and tells how many there were and when the first was.
func (w *frameWork) encode(ctx context.Context, out *os.File, r ffmpeg.Run, seek bool) (n, first int64, err error) {
	frames, err := w.programs.Frames(ctx, w.in, w.video, r, seek)
	if err != nil {
		return 0, 0, err
	}
	defer frames.Close()
	src, err := opencv.NewFrame(w.video.Width, w.video.Height)
	if err != nil {
		return 0, 0, err
	}
	defer src.Close()
	e := &frameEncoder{work: w, out: out}
	defer e.close()
	pixels := make([]byte, w.video.FrameBytes())
	for {
		at, err := frames.Next(pixels)
		if errors.Is(err, io.EOF) {
			return n, first, e.finish()
		}
		if err != nil {
			return n, first, err
		}
		if n == 0 {
			first = at
		}
		if err := w.load(src, pixels); err != nil {
			return n, first, err
		}
		if err := e.add(ctx, at, src); err != nil {
			return n, first, err
		}
		n++
	}
}

// load makes a picture of a decoded frame.
func (w *frameWork) load(src *opencv.Image, pixels []byte) error {
	if w.video.Planar {
		return src.LoadPlanes(pixels, w.matrix())
	}
	return src.Load(pixels)
}

// matrix is what frames in planes become pictures by, and pictures planes.
func (w *frameWork) matrix() opencv.Matrix {
	if w.video.Matrix == "bt709" {
		return opencv.BT709
	}
	return opencv.BT601
}

// frameEncoder encodes what the operation makes of frames. The first one's size is the
// video's.
type frameEncoder struct {
	work   *frameWork
	out    *os.File
	writer *ffmpeg.FrameWriter // nil before the first frame
	width  int
	height int
	planar bool
	pixels []byte
}

// add applies the operation to one frame and writes the result.
func (e *frameEncoder) add(ctx context.Context, at int64, src *opencv.Image) error {
	dst, err := e.work.inner.Apply(ctx, e.work.files, src, e.work.args)
	if err != nil {
		return err
	}
	if dst != src {
		defer dst.Close()
	}
	if e.writer == nil {
		e.width, e.height = dst.Width(), dst.Height()
		how := e.work.video.Like()
		e.planar = e.width%2+e.height%2 == 0 && !e.work.video.Wide()
		how.Width, how.Height, how.Planar, how.Segment = e.width, e.height, e.planar, true
		if e.writer, err = e.work.programs.Encode(ctx, e.out, how); err != nil {
			return err
		}
	}
	if dst.Width() != e.width || dst.Height() != e.height {
		return fmt.Errorf("a frame became %d × %d pixels, and the first %d × %d", dst.Width(), dst.Height(), e.width, e.height)
	}
	if e.planar {
		e.pixels, err = dst.StorePlanes(e.pixels[:0], e.work.matrix())
	} else {
		e.pixels, err = dst.Store(e.pixels[:0])
	}
	if err != nil {
		return err
	}
	return e.writer.Write(at, e.pixels)
}

func (e *frameEncoder) finish() error {
	if e.writer == nil {
		return nil // there was no frame: the caller counts them
	}
	return e.writer.Finish()
}

func (e *frameEncoder) close() {
	if e.writer != nil {
		e.writer.Close()
	}
}

// whole makes a video of all frames, and gives it the sound of the source.
func (w *frameWork) whole(ctx context.Context, f *Files) error {
	info, err := w.programs.Probe(ctx, w.in)
	if err != nil {
		return err
	}
	if err := ffmpeg.CheckFrames(info); err != nil {
		return err
	}
	w.video = info.Video
	silent, err := f.Create(f.allowed[1])
	if err != nil {
		return err
	}
	defer f.drop(f.allowed[1])
	v := w.video
	if err := w.exactly(ctx, silent, ffmpeg.Run{From: v.Times[0], To: v.End}, int64(len(v.Times))); err != nil {
		return err
	}
	out, err := f.Create(f.allowed[0])
	if err != nil {
		return err
	}
	j := ffmpeg.Joining{Segments: []*os.File{silent}, Rate: v.Rate, Sound: w.in, Info: info, Begin: v.Begin()}
	if v.Variable {
		j.Base, j.Lengths = v.TimeBase, []int64{v.End - v.Times[0]}
	}
	return w.programs.Join(ctx, out, j)
}

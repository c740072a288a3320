package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Encoding says how frames become a video.
type Encoding struct {
	// Width and Height are those of the frames in pixels. An odd one grows by one
	// pixel, a copy of the last column or row: H.264 with colour at half resolution,
	// which is what browsers play, holds even sizes only.
	Width, Height int
	// Rate is frames a second.
	Rate Ratio
	// Variable tells that frames come at times of their own: each is written
	// with its time, in ticks of Base, and Rate is only the mean.
	Variable bool
	// Base is the seconds of one tick, for a variable rate.
	Base Ratio
	// Pixel is the width of a pixel by its height. Zero: square.
	Pixel Ratio
	// Matrix is that of the source; see [Video.Matrix].
	Matrix string
	// Primaries and Transfer are those of the source; see [Video.Primaries].
	Primaries, Transfer string
	// Planar: frames come in planes, as [Video.Planar] has them, and both sides are even.
	Planar bool
	// Segment: it is for [Programs.Join] alone. Otherwise it is written twice, so that a
	// player need not load all of it before it begins.
	Segment bool
	// Threads are those of the encoder. Zero: one, with which the same frames give the same
	// bits on every machine.
	Threads int
	// Quality is x264's constant quantiser, 0 (without loss) to 51. Zero: [DefaultQuality].
	Quality int
}

// DefaultQuality looks like the source to most eyes.
const DefaultQuality = 20

// Like is an encoding for frames of the video v.
func (v *Video) Like() Encoding {
	return Encoding{
		Width: v.Width, Height: v.Height, Rate: v.Rate, Variable: v.Variable, Base: v.TimeBase, Pixel: v.Pixel,
		Matrix: v.Matrix, Primaries: v.Primaries, Transfer: v.Transfer, Planar: v.Planar,
	}
}

// FrameWriter encodes frames. Not for concurrent use.
type FrameWriter struct {
	proc   *process
	stop   context.CancelFunc
	in     *os.File
	raw    *rawStream // nil for a constant rate
	size   int
	frames int64
	failed error
}

// Encode begins a video in the file out, which is emptied: H.264 in an MP4 that a
// browser plays while it is still loading. It has no frame that refers to a later one,
// so that it can be joined with others by [Programs.Join]. The caller writes the frames,
// and then finishes or closes the writer. Errors: ErrMissing, or the encoding's.
func (p Programs) Encode(ctx context.Context, out *os.File, e Encoding) (*FrameWriter, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	widen(ours)
	ctx, stop := context.WithCancel(ctx)
	args := e.input()
	args = append(args, "-i", "pipe:3", "-map", "0:v:0", "-vf", e.filters())
	args = append(args, e.codec()...)
	if !e.Segment {
		args = append(args, "-movflags", "+faststart")
	}
	args = append(args, "-f", "mp4", "file:"+openName(1))
	proc, err := p.start(ctx, run{program: "ffmpeg", files: []*os.File{theirs, out}, args: args})
	theirs.Close()
	if err != nil {
		stop()
		ours.Close()
		return nil, err
	}
	w := &FrameWriter{proc: proc, stop: stop, in: ours, size: frameBytes(e.Width, e.Height, e.Planar)}
	if e.Variable {
		w.raw = &rawStream{out: ours, encoding: e}
	}
	return w, nil
}

func (e Encoding) check() error {
	switch {
	case e.Width < 1 || e.Height < 1 || e.Width > 16384 || e.Height > 16384 || e.Width*e.Height > MaxPixels:
		return fmt.Errorf("%w: a video of %d × %d pixels", ErrTooLarge, e.Width, e.Height)
	case !e.Rate.Known():
		return fmt.Errorf("a video needs a frame rate, not %v", e.Rate)
	case e.Variable && !e.Base.Known():
		return fmt.Errorf("a variable rate needs a time base, not %v", e.Base)
	case e.Planar && e.Width%2+e.Height%2 > 0:
		return fmt.Errorf("frames of %d × %d pixels have no planes: both sides must be even", e.Width, e.Height)
	case e.Quality < 0 || e.Quality > 51:
		return fmt.Errorf("a quality of %d is not from 0 to 51", e.Quality)
	}
	return nil
}

// input describes what is written to the pipe.
func (e Encoding) input() []string {
	if e.Variable {
		return []string{"-f", "matroska"}
	}
	return []string{
		"-f", "rawvideo", "-pixel_format", pixelFormat(e.Planar), "-video_size", fmt.Sprintf("%dx%d", e.Width, e.Height), "-framerate", e.Rate.String(),
	}
}

// filters make the size even and the colours what the source's were.
func (e Encoding) filters() string {
	var all []string
	right, bottom := e.Width%2, e.Height%2
	if right+bottom > 0 {
		all = append(all, fmt.Sprintf("pad=%d:%d,fillborders=right=%d:bottom=%d:mode=smear", e.Width+right, e.Height+bottom, right, bottom))
	}
	if !e.Planar {
		matrix := "bt601"
		switch e.Matrix {
		case "bt709":
			matrix = e.Matrix
		case wide:
			matrix = "bt2020"
		}
		all = append(all, "scale=flags=bicubic+accurate_rnd:out_color_matrix="+matrix+":out_range=tv")
	}
	all = append(all, "format=yuv420p")
	if e.Pixel.Known() {
		all = append(all, fmt.Sprintf("setsar=%d/%d", e.Pixel.Num, e.Pixel.Den))
	}
	return strings.Join(all, ",")
}

// group is the most frames between two that can be decoded alone, so that a player
// can jump.
const group = 250

// codec asks for x264 with a constant quantiser and, by default, one thread: with them a frame
// depends on its group alone, and neither on how many bits those before took nor on the
// number of cores.
func (e Encoding) codec() []string {
	quality := e.Quality
	if quality == 0 {
		quality = DefaultQuality
	}
	args := []string{
		"-threads:v", strconv.Itoa(max(1, e.Threads)), "-c:v", "libx264", "-preset", "veryfast", "-qp", strconv.Itoa(quality), "-bf", "0", "-g", strconv.Itoa(group),
		"-pix_fmt", "yuv420p", "-fps_mode", "passthrough", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
	}
	switch e.Matrix {
	case "bt709":
		args = append(args, "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
	case "smpte170m", "bt470bg":
		args = append(args, "-colorspace", "smpte170m")
	case wide:
		args = append(args, "-colorspace", wide)
		if e.Primaries != "" && isWord(e.Primaries) {
			args = append(args, "-color_primaries", e.Primaries)
		}
		if e.Transfer != "" && isWord(e.Transfer) {
			args = append(args, "-color_trc", e.Transfer)
		}
	}
	if e.Variable {
		return append(args, "-enc_time_base", strconv.Itoa(1)+":"+strconv.Itoa(fineTicks), "-video_track_timescale", strconv.Itoa(fineTicks))
	}
	return append(args, "-video_track_timescale", strconv.FormatInt(e.Rate.timescale(), 10))
}

// fineTicks is the ticks a second of a video of variable rate: MPEG's own clock.
const fineTicks = 90_000

// timescale is so many ticks a second that a frame has a whole number of them, and few
// enough for MP4.
func (r Ratio) timescale() int64 {
	scale := r.Num
	for scale < 1000 && scale*r.Den < 1<<20 {
		scale *= 2
	}
	return scale
}

// Write encodes one frame: 3 bytes a pixel, blue, green, red; or its planes. Its time counts for a
// variable rate only; times rise.
func (w *FrameWriter) Write(time int64, frame []byte) error {
	if w.failed != nil {
		return w.failed
	}
	if len(frame) != w.size {
		return fmt.Errorf("a frame has %d bytes, not %d", w.size, len(frame))
	}
	var err error
	if w.raw != nil {
		err = w.raw.write(time, frame)
	} else {
		_, err = w.in.Write(frame)
	}
	if err != nil { // the program tells why it does not listen any more
		w.in.Close()
		if ended := w.proc.wait(); ended != nil {
			err = ended
		}
		w.failed = err
		return err
	}
	w.frames++
	return nil
}

// Frames is how many were written.
func (w *FrameWriter) Frames() int64 { return w.frames }

// Finish ends the video; the file is whole then. Errors: an encoder's, the context's own.
func (w *FrameWriter) Finish() error {
	if w.failed != nil {
		return w.failed
	}
	if err := w.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	w.failed = w.proc.wait()
	if w.failed == nil {
		w.failed = io.ErrClosedPipe
		return nil
	}
	return w.failed
}

// Close ends the program, whether the video is finished or not.
func (w *FrameWriter) Close() error {
	w.in.Close()
	w.proc.kill()
	w.stop()
	return nil
}

package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Run is a run of frames: those with From <= timestamp < To, in ticks of the stream's
// time base. No tick is special: files start before zero, too.
type Run struct {
	From, To int64
}

// All is the run of every frame.
func (v *Video) All() Run { return Run{From: -maxTicks, To: maxTicks} }

// Between is the run of the frames with the numbers from (included) to to (not
// included), counted from 0.
func (v *Video) Between(from, to int) Run {
	r := v.All()
	if from > 0 {
		r.From = v.Times[from]
	}
	if to < len(v.Times) {
		r.To = v.Times[to]
	}
	return r
}

// Count is how many frames the run should have, by the file's index.
func (v *Video) Count(r Run) int {
	count := 0
	for _, t := range v.Times {
		if r.has(t) {
			count++
		}
	}
	return count
}

func (r Run) has(t int64) bool { return t >= r.From && t < r.To }

// FrameBytes is the size of one decoded frame: 3 bytes a pixel, blue, green, red, row
// after row without gaps; or that of its planes.
func (v *Video) FrameBytes() int { return frameBytes(v.Width, v.Height, v.Planar) }

func frameBytes(width, height int, planar bool) int {
	if planar {
		return width * height * 3 / 2
	}
	return 3 * width * height
}

// FrameReader decodes a run of frames. Not for concurrent use.
//
// A codec may hide frames or show one twice, so that a reader may give a few more or
// less than the index counts; whoever cuts by timestamps still misses none.
type FrameReader struct {
	proc  *process
	stop  context.CancelFunc
	out   *os.File
	times *timeReader
	size  int
	ended error // of the last Next
}

// Frames begins to decode a run of frames as blue, green and red, or in planes where the
// video says so, each with its timestamp. Where seek is true and the video can seek, decoding begins at a
// key frame before the run; otherwise at the first frame of the file, which always gives
// the right frames and takes long. An index that is wrong makes seeking miss frames:
// compare what came with Video.Times. The caller closes the reader. Errors: ErrMissing.
func (p Programs) Frames(ctx context.Context, in *os.File, v *Video, r Run, seek bool) (*FrameReader, error) {
	ctx, stop := context.WithCancel(ctx)
	pictures, theirs, err := os.Pipe()
	if err != nil {
		stop()
		return nil, err
	}
	widen(pictures)
	times, theirTimes, err := os.Pipe()
	if err != nil {
		stop()
		pictures.Close()
		theirs.Close()
		return nil, err
	}
	proc, err := p.start(ctx, run{
		program: "ffmpeg", files: []*os.File{in, theirs, theirTimes},
		args: append(inputArgs(0, seekArgs(v, r, seek)...), frameArgs(v, r)...),
	})
	theirs.Close()
	theirTimes.Close()
	if err != nil {
		stop()
		pictures.Close()
		times.Close()
		return nil, err
	}
	f := &FrameReader{proc: proc, stop: stop, out: pictures, times: &timeReader{}, size: v.FrameBytes()}
	f.times.cond = sync.NewCond(&f.times.mu)
	go f.times.read(times)
	return f, nil
}

// SearchFor is the Search of a run that begins with the frame of the given number: the time
// of the key frame before the last one before it. What lies there may be some frames off, and
// in the midst of a group; the key frame that follows is still in time for the run.
func (v *Video) SearchFor(frame int) int64 {
	at, _ := slices.BinarySearch(v.Keys, frame+1) // the keys up to frame
	if !v.Timed || at < 3 {
		return 0
	}
	return v.Times[v.Keys[at-3]]
}

// CanSeek tells whether decoding may begin later than at the first frame.
func (v *Video) CanSeek() bool { return v.Seekable || v.Search > 0 }

// seekArgs leave all that is before the run's key frame alone.
func seekArgs(v *Video, r Run, seek bool) []string {
	args := []string{"-copyts", "-noaccurate_seek", "-seek_timestamp", "1"}
	from := v.Search
	if v.Seekable {
		from = r.From
	}
	if !seek || !v.CanSeek() || r.From == -maxTicks || len(v.Times) > 0 && r.From <= v.Times[0] {
		return args
	}
	return append(args, "-ss", strconv.FormatFloat(float64(from)*v.TimeBase.Float(), 'f', 6, 64))
}

// frameArgs send the frames of a run to the second file, and their timestamps, before
// them, to the third. The pictures keep their size even where the stream changes its own.
func frameArgs(v *Video, r Run) []string {
	trim := ""
	if r.From > -maxTicks {
		trim += fmt.Sprintf("start_pts=%d", r.From)
	}
	if r.To < maxTicks {
		trim += fmt.Sprintf(":end_pts=%d", r.To)
	}
	filter := fmt.Sprintf("[0:%d]", v.Stream)
	if trim != "" {
		filter += "trim=" + strings.TrimPrefix(trim, ":") + ","
	}
	filter += fmt.Sprintf("scale=%d:%d:flags=bicubic+accurate_rnd,format=%s,split[times][pictures]", v.Width, v.Height, pixelFormat(v.Planar))
	return []string{
		"-filter_complex", filter,
		"-map", "[times]", "-c:v", "wrapped_avframe", "-enc_time_base", strings.Replace(v.TimeBase.String(), "/", ":", 1),
		"-fps_mode", "passthrough", "-flush_packets", "1", "-f", "framecrc", "pipe:5",
		"-map", "[pictures]", "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:4",
	}
}

// pixelFormat is FFmpeg's name of how frames are handed over.
func pixelFormat(planar bool) string {
	if planar {
		return "yuv420p"
	}
	return "bgr24"
}

// Next reads the next frame into buf, which has [Video.FrameBytes] bytes, and returns
// its timestamp. io.EOF: there are no more. Errors: ErrDamaged, the context's own.
func (f *FrameReader) Next(buf []byte) (int64, error) {
	if f.ended != nil {
		return 0, f.ended
	}
	if len(buf) != f.size {
		return 0, fmt.Errorf("a frame has %d bytes, not %d", f.size, len(buf))
	}
	_, err := io.ReadFull(f.out, buf)
	if err == nil {
		t, ok := f.times.next()
		if ok {
			return t, nil
		}
		err = errors.New("a frame came without its time")
	}
	f.ended = f.end(err)
	return 0, f.ended
}

// end tells why there is no more.
func (f *FrameReader) end(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		f.proc.kill()
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	ended := f.proc.wait()
	switch {
	case ended == nil && errors.Is(err, io.EOF):
		return io.EOF
	case ended == nil:
		return fmt.Errorf("%w: it ends within a frame", ErrDamaged)
	}
	if e, ok := errors.AsType[*Error](ended); ok {
		return &Error{Program: e.Program, Text: e.Text, Err: fmt.Errorf("%w: %w", ErrDamaged, e.Err)}
	}
	return ended
}

// Close ends the program.
func (f *FrameReader) Close() error {
	f.stop()
	f.out.Close()
	f.proc.kill()
	return nil
}

// timeReader takes the timestamps of frames as they come, so that the program never
// waits for somebody to read them.
type timeReader struct {
	mu    sync.Mutex
	cond  *sync.Cond
	times []int64 // guarded by mu
	ended bool    // guarded by mu
}

// read takes lines such as "0,  60060,  60060,  1001,  472, 0xe56710bd": stream, time
// to decode, time to show, length, bytes, checksum.
func (r *timeReader) read(from *os.File) {
	defer from.Close()
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		fields := strings.Split(scanner.Text(), ",")
		if len(fields) < 6 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		t, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err != nil {
			continue
		}
		r.mu.Lock()
		r.times = append(r.times, t)
		r.cond.Signal()
		r.mu.Unlock()
	}
	r.mu.Lock()
	r.ended = true
	r.cond.Signal()
	r.mu.Unlock()
}

// next waits for the next timestamp; false: there are no more.
func (r *timeReader) next() (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.times) == 0 && !r.ended {
		r.cond.Wait()
	}
	if len(r.times) == 0 {
		return 0, false
	}
	t := r.times[0]
	r.times = r.times[1:]
	return t, true
}

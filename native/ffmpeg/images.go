package ffmpeg

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sampling says which pictures are taken of a video.
type Sampling struct {
	// Rate is pictures a second. Zero: every frame.
	Rate Ratio
	// From is where the range begins, counted from the first frame; Length how long it
	// is. The zero Length is all that is left.
	From, Length time.Duration
	// Skip leaves so many of the pictures out, and Limit ends after so many; zero: no end.
	// So parts of a sampling give the very pictures of the whole.
	Skip, Limit int
}

// NewSampling is a sampling by numbers that people give: pictures a second (0: every
// frame), and start and length in seconds (length 0: to the end). Errors: a rate that is
// none.
func NewSampling(rate, start, length float64) (Sampling, error) {
	s := Sampling{From: time.Duration(start * float64(time.Second)), Length: time.Duration(length * float64(time.Second))}
	if rate == 0 {
		return s, nil
	}
	var err error
	s.Rate, err = ParseRatio(strconv.FormatFloat(rate, 'f', -1, 64))
	return s, err
}

// Count is how many pictures v gives: with a rate, those of the moments From + k/Rate
// that lie in the range and before the end of the video; without, the frames whose
// times lie in the range.
func (s Sampling) Count(v *Video) int {
	count := max(0, s.whole(v)-s.Skip)
	if s.Limit > 0 {
		count = min(count, s.Limit)
	}
	return count
}

// whole is the count without Skip and Limit.
func (s Sampling) whole(v *Video) int {
	s.Skip, s.Limit = 0, 0
	end := v.Duration()
	if s.Length > 0 && s.Length < end-s.From {
		end = s.From + s.Length
	}
	if len(v.Times) == 0 || s.From < 0 || end <= s.From {
		return 0
	}
	if !s.Rate.Known() {
		return v.Count(s.run(v))
	}
	moments := new(big.Rat).Mul(big.NewRat(int64(end-s.From), int64(time.Second)), big.NewRat(s.Rate.Num, s.Rate.Den))
	whole := new(big.Int).Div(new(big.Int).Add(moments.Num(), new(big.Int).Sub(moments.Denom(), big.NewInt(1))), moments.Denom())
	if !whole.IsInt64() || whole.Int64() > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(whole.Int64())
}

// run is the frames whose times lie in the range.
func (s Sampling) run(v *Video) Run {
	ticks := func(d time.Duration) int64 {
		return v.Times[0] + int64(math.Ceil(d.Seconds()/v.TimeBase.Float()-1e-6))
	}
	r := Run{From: ticks(s.From), To: maxTicks}
	if s.Length > 0 {
		r.To = ticks(s.From + s.Length)
	}
	if s.Skip > 0 {
		at, _ := slices.BinarySearch(v.Times, r.From)
		if at += s.Skip; at < len(v.Times) {
			r.From = v.Times[at]
		}
	}
	return r
}

// begin is the first moment of a sampling with a rate, in nanoseconds after the first frame.
func (s Sampling) begin() int64 {
	skip := new(big.Rat).Mul(big.NewRat(int64(s.Skip)*int64(time.Second), 1), big.NewRat(s.Rate.Den, s.Rate.Num))
	whole := new(big.Int).Div(skip.Num(), skip.Denom())
	return int64(s.From) + whole.Int64()
}

// first is the frame that the first picture shows.
func (s Sampling) first(v *Video) Run {
	if !s.Rate.Known() {
		return s.run(v)
	}
	at, found := slices.BinarySearch(v.Times, v.Times[0]+int64(float64(s.begin())/1e9/v.TimeBase.Float()))
	if !found {
		at--
	}
	return Run{From: v.Times[max(0, at-1)], To: maxTicks} // one more, should the moment lie on its edge
}

// ImageReader gives pictures of a video as PNG files. Not for concurrent use.
type ImageReader struct {
	proc  *process
	stop  context.CancelFunc
	file  *os.File
	out   *bufio.Reader
	left  int
	bound int
}

// Images begins to take pictures of a video, exactly Sampling.Count of them: that of a
// moment is the frame that is shown then. The caller closes the reader.
// Errors: ErrMissing; ErrNoVideo where there is no frame in the range.
func (p Programs) Images(ctx context.Context, in *os.File, v *Video, s Sampling) (*ImageReader, error) {
	count := s.Count(v)
	if count == 0 {
		return nil, fmt.Errorf("%w that has a frame there: it lasts %v", ErrNoVideo, v.Duration().Round(time.Millisecond))
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	args := append(inputArgs(0, seekArgs(v, s.first(v), true)...), "-filter_complex", s.filter(v), "-map", "[out]", "-frames:v", strconv.Itoa(count),
		"-fps_mode", "passthrough", "-enc_time_base", strings.Replace(Ratio{1, 1_000_000}.String(), "/", ":", 1),
		"-c:v", "png", "-pix_fmt", "rgb24", "-compression_level", "1", "-pred", "up", "-f", "image2pipe", "pipe:4")
	proc, err := p.start(ctx, run{program: "ffmpeg", files: []*os.File{in, theirs}, args: args})
	theirs.Close()
	if err != nil {
		stop()
		ours.Close()
		return nil, err
	}
	return &ImageReader{proc: proc, stop: stop, file: ours, out: bufio.NewReader(ours), left: count, bound: 12*v.Width*v.Height + 1<<20}, nil
}

// filter takes the frames: those of the range, or for each moment the last that is not
// later, which is what rounding frames' times up to the moments does.
func (s Sampling) filter(v *Video) string {
	start := fmt.Sprintf("[0:%d]setpts=PTS-%d,", v.Stream, v.Times[0])
	size := fmt.Sprintf("scale=%d:%d,format=rgb24[out]", v.Width, v.Height)
	if !s.Rate.Known() {
		r := s.run(v)
		trim := fmt.Sprintf("trim=start_pts=%d", r.From-v.Times[0])
		if r.To < maxTicks {
			trim += fmt.Sprintf(":end_pts=%d", r.To-v.Times[0])
		}
		return start + trim + "," + size
	}
	return start + fmt.Sprintf("settb=1/1000000000,setpts=PTS-%d,fps=fps=%v:start_time=0:round=up,tpad=stop=-1:stop_mode=clone,", s.begin()+edge, s.Rate) + size
}

// edge is how much later than its frame a moment may seem to be, in nanoseconds, since
// neither has a whole number of them.
const edge = 1000

// pngStart begins every PNG file.
const pngStart = "\x89PNG\r\n\x1a\n"

// Next returns the next picture. io.EOF: there are no more. Errors: ErrDamaged, the
// context's own.
func (r *ImageReader) Next() ([]byte, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	picture, err := r.read()
	if err == nil {
		r.left--
		return picture, nil
	}
	r.file.Close()
	if ended := r.proc.wait(); ended != nil {
		if e, ok := errors.AsType[*Error](ended); ok {
			return nil, &Error{Program: e.Program, Text: e.Text, Err: fmt.Errorf("%w: %w", ErrDamaged, e.Err)}
		}
		return nil, ended
	}
	return nil, fmt.Errorf("%w: %d pictures are missing", ErrDamaged, r.left)
}

// read takes one PNG file off the stream, by its chunks.
func (r *ImageReader) read() ([]byte, error) {
	var all bytes.Buffer
	if _, err := io.CopyN(&all, r.out, int64(len(pngStart))); err != nil {
		return nil, err
	}
	if all.String() != pngStart {
		return nil, errors.New("what came is no PNG")
	}
	for {
		head, err := r.out.Peek(8)
		if err != nil {
			return nil, err
		}
		size, kind := int64(binary.BigEndian.Uint32(head)), string(head[4:8])
		if size > int64(r.bound-all.Len()) {
			return nil, ErrTooLarge
		}
		if _, err := io.CopyN(&all, r.out, 8+size+4); err != nil {
			return nil, err
		}
		if kind == "IEND" {
			return all.Bytes(), nil
		}
	}
}

// Close ends the program.
func (r *ImageReader) Close() error {
	r.stop()
	r.file.Close()
	r.proc.kill()
	return nil
}

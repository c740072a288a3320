package ffmpeg

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxFrames bounds the frames of a video: 16 bytes of memory each, 46 hours at 60
// frames a second.
const maxFrames = 10_000_000

// packet is one line of ffprobe about a piece of a stream.
type packet struct {
	stream             int
	time, length       int64
	timed, key, hidden bool
	exact              bool // it has a time to show it
}

// frame is a packet of the video stream.
type frame struct {
	time, length int64
	key          bool
}

// index is what the packets of a file say.
type index struct {
	header *header
	frames []frame
	hidden int64         // packets of the video that are not to be shown
	vague  bool          // some times are those to decode a frame
	late   bool          // and frames are shown later than they are decoded
	spans  map[int]*span // by stream
}

// span is when a stream begins and ends.
type span struct {
	base     Ratio
	from, to int64
}

func newIndex(h *header) *index {
	x := &index{header: h, spans: map[int]*span{}}
	for _, s := range h.Streams {
		if base, err := ParseRatio(s.TimeBase); err == nil && s.Disposition.Cover == 0 {
			x.spans[s.Index] = &span{base: base, from: maxTicks, to: -maxTicks}
		}
	}
	return x
}

// maxTicks bounds timestamps, so that differences stay in range.
const maxTicks = 1 << 60

// readIndex lists the packets of a file.
func (p Programs) readIndex(ctx context.Context, in *os.File, x *index) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	reader, writer := io.Pipe()
	listed := make(chan error, 1)
	go func() {
		err := x.read(reader)
		reader.CloseWithError(io.ErrClosedPipe)
		if err != nil {
			stop()
		}
		listed <- err
	}()
	err := p.do(ctx, run{
		program: "ffprobe", files: []*os.File{in}, out: writer,
		args: append(inputArgs(0), "-show_entries", "packet=stream_index,pts,dts,duration,flags", "-of", "compact=p=0"),
	})
	writer.Close()
	if wrong := <-listed; wrong != nil {
		return wrong
	}
	return notMedia(err)
}

// read takes the lines of ffprobe.
func (x *index) read(lines io.Reader) error {
	video := x.video()
	scanner := bufio.NewScanner(lines)
	for scanner.Scan() {
		pkt, ok := parsePacket(scanner.Text())
		if !ok {
			continue
		}
		if s := x.spans[pkt.stream]; s != nil && pkt.timed && !pkt.hidden {
			s.from, s.to = min(s.from, pkt.time), max(s.to, pkt.time+pkt.length)
		}
		switch {
		case pkt.stream != video:
		case pkt.hidden || !pkt.timed:
			x.hidden++
		case len(x.frames) == maxFrames:
			return fmt.Errorf("%w: it has more than %d frames", ErrTooLarge, maxFrames)
		default:
			x.frames = append(x.frames, frame{pkt.time, pkt.length, pkt.key})
			x.vague = x.vague || !pkt.exact
		}
	}
	return scanner.Err()
}

// video is the stream whose frames are kept; -1: none.
func (x *index) video() int {
	for _, s := range x.header.Streams {
		if s.Type == "video" && s.Disposition.Cover == 0 {
			return s.Index
		}
	}
	return -1
}

// firstPackets are enough for a decoder to know how late its frames come.
const firstPackets = 64

// shift moves the frames to when they are shown, where the file tells only when they
// are decoded, as AVI does: that is later by as much for each.
func (p Programs) shift(ctx context.Context, in *os.File, x *index) error {
	if !x.vague || len(x.frames) == 0 {
		return nil
	}
	out := &bounded{room: headerBytes}
	err := p.do(ctx, run{
		program: "ffprobe", files: []*os.File{in}, out: out,
		args: append(inputArgs(0), "-select_streams", strconv.Itoa(x.video()), "-read_intervals", "%+#"+strconv.Itoa(firstPackets),
			"-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0"),
	})
	if err != nil {
		return notMedia(err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	first, known := ticks(strings.TrimSpace(strings.Trim(line, ",")))
	if !known { // nothing can be decoded: whoever tries will tell
		x.late = true
		return nil
	}
	off := first - slices.MinFunc(x.frames, func(a, b frame) int { return cmp.Compare(a.time, b.time) }).time
	x.late = off != 0
	for i := range x.frames {
		x.frames[i].time += off
	}
	return nil
}

// parsePacket reads "stream_index=0|pts=40|dts=N/A|duration=40|flags=K_". Where there
// is no time to show it, the time to decode it stands in, as FFmpeg does for AVI.
func parsePacket(line string) (packet, bool) {
	p := packet{stream: -1}
	for field := range strings.SplitSeq(line, "|") {
		key, value, _ := strings.Cut(field, "=")
		if key == "flags" {
			p.key, p.hidden = strings.Contains(value, "K"), strings.Contains(value, "D")
			continue
		}
		if number, ok := ticks(value); ok {
			p.set(key, number)
		}
	}
	return p, p.stream >= 0
}

// ticks reads a timestamp; false: there is none, or one that cannot be.
func ticks(text string) (int64, bool) {
	number, err := strconv.ParseInt(text, 10, 64)
	return number, err == nil && number > -maxTicks && number < maxTicks
}

func (p *packet) set(key string, number int64) {
	switch {
	case key == "stream_index" && number >= 0 && number < maxStreams:
		p.stream = int(number)
	case key == "pts":
		p.time, p.timed, p.exact = number, true, true
	case key == "dts" && !p.timed:
		p.time, p.timed = number, true
	case key == "duration" && number > 0:
		p.length = number
	}
}

// apply adds what was counted to info.
func (x *index) apply(info *Info) {
	first, last := time.Duration(1<<62), time.Duration(-1<<62)
	for at, s := range x.spans {
		if s.to < s.from {
			continue
		}
		from, to := s.base.Duration(s.from), s.base.Duration(s.to)
		first, last = min(first, from), max(last, to)
		for i := range info.Audio {
			if info.Audio[i].Stream == at {
				info.Audio[i].Start, info.Audio[i].Duration = from, to-from
			}
		}
	}
	if first < last {
		info.Duration = last - first
	}
	if info.Video == nil {
		return
	}
	x.sort(info.Video)
	v := info.Video
	own := x.header.Streams[slices.IndexFunc(x.header.Streams, func(s streamHeader) bool { return s.Index == v.Stream })]
	if claimed, err := strconv.ParseInt(own.Frames, 10, 64); err == nil {
		info.lost = v.lost(claimed-x.hidden, info.Format)
	}
	v.findRate(own)
	v.Seekable = !x.late && !x.header.guesses()
	v.Timed = !x.vague && (info.Format == "mpegts" || info.Format == "mpeg")
}

// vagueFrames is by how many frames AVI may count wrong at its ends.
const vagueFrames = 2

// lost is how many frames a header counts that are not there. AVI counts its ticks, and
// with them the moments at which it has no frame; other formats than MOV only estimate.
func (v *Video) lost(claimed int64, format string) int64 {
	n := len(v.Times)
	switch {
	case strings.HasPrefix(format, "mov,"):
		return max(0, claimed-int64(n))
	case format != "avi" || n == 0:
		return 0
	}
	if lost := claimed - (v.Times[n-1] - v.Times[0] + 1); lost > vagueFrames {
		return lost
	}
	return 0
}

// sort puts the frames into the order in which they are shown.
func (x *index) sort(v *Video) {
	slices.SortStableFunc(x.frames, func(a, b frame) int { return cmp.Compare(a.time, b.time) })
	v.Times = make([]int64, 0, len(x.frames))
	for _, f := range x.frames {
		if f.key {
			v.Keys = append(v.Keys, len(v.Times))
		}
		v.Times = append(v.Times, f.time)
	}
	if n := len(x.frames); n > 0 {
		v.End = x.frames[n-1].time + x.frames[n-1].length
	}
	x.frames = nil
}

// findRate takes the rate among those that the header names that the frames keep.
func (v *Video) findRate(own streamHeader) {
	for _, text := range []string{own.Real, own.Average} {
		if rate, err := ParseRatio(text); err == nil && v.keeps(rate) {
			v.Rate = rate
			v.endAfter(rate)
			return
		}
	}
	if rate, err := ParseRatio(own.Average); err == nil {
		v.Rate = rate
	} else if rate, err := ParseRatio(own.Real); err == nil {
		v.Rate = rate
	}
	v.Variable = true
	v.endAfter(v.Rate)
}

// keeps reports whether every frame is where a constant rate would have it, to the
// tick that its rounding costs, or half a frame where that is less.
func (v *Video) keeps(rate Ratio) bool {
	step := 1 / (rate.Float() * v.TimeBase.Float())
	most := min(1.01, step/2)
	for i, t := range v.Times {
		if off := float64(t-v.Times[0]) - float64(i)*step; off > most || off < -most {
			return false
		}
	}
	return true
}

// endAfter gives the last frame the length of the rate where it has none.
func (v *Video) endAfter(rate Ratio) {
	n := len(v.Times)
	if n > 0 && v.End <= v.Times[n-1] && rate.Known() {
		v.End = v.Times[n-1] + max(1, int64(1/(rate.Float()*v.TimeBase.Float())+0.5))
	}
}

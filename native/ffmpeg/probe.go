package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Info is what a file holds.
type Info struct {
	// Format is FFmpeg's name of the container: "mov,mp4,m4a,3gp,3g2,mj2".
	Format string
	// Duration is from the first to the last moment of any stream, as counted and
	// not as the header claims.
	Duration time.Duration
	// Claimed is the duration that the header claims; zero where it claims none, or
	// the claim is a guess by the length of the file.
	Claimed time.Duration
	// Bytes is the length of the file.
	Bytes int64
	// Start is when the first stream starts.
	Start time.Duration
	// Tags are those of the file: title, artist, and so on, with their names in
	// lower case.
	Tags map[string]string
	// Video is the first video stream that is no cover picture; nil: there is none.
	Video *Video
	// Audio has the audio streams in their order.
	Audio []Audio

	lost int64 // frames that the header counts and the file does not hold
}

// Video is a video stream.
type Video struct {
	Stream      int // index within the file
	Codec       string
	PixelFormat string
	// Width and Height are in pixels, upright: turned as the file asks players to.
	Width, Height int
	// Pixel is the width of a pixel by its height, when it is upright; zero: unknown.
	Pixel Ratio
	// Matrix names how colours became luma and chroma: "bt709", "smpte170m";
	// empty: the file does not say.
	Matrix string
	// Primaries and Transfer name what colours are meant and how light became numbers, where
	// that is not as usual: "bt2020", and "smpte2084" or "arib-std-b67" for HDR. Empty: as usual.
	Primaries, Transfer string
	// Planar: decoded frames are handed over in planes (I420), as the codec has them: luma
	// of 16 to 235, a byte a pixel, then both kinds of chroma, a byte for four pixels. They
	// are half as long as blue, green and red, and nobody has to convert them. Probe sets
	// it where the file has such frames; whoever wants colours clears it.
	Planar bool
	// Counted is how many frames the header counts; 0: it does not.
	Counted int64
	// Rate is frames a second, exact where the rate is constant; otherwise the mean.
	Rate Ratio
	// Variable tells that no constant rate fits the frames' times.
	Variable bool
	// TimeBase is the seconds of one tick.
	TimeBase Ratio
	// Times are the timestamps of all frames, in ticks, rising. Their number is the
	// exact number of frames, unless a codec hides some; see [FrameReader].
	Times []int64
	// Keys are the places in Times of the frames that can be decoded alone.
	Keys []int
	// Seekable tells that the file says where a moment's frame is. MPEG's streams have
	// no index, and that of AVI is vague where frames refer to later ones.
	Seekable bool
	// Timed tells that each frame carries its time, in a file without an index: MPEG's
	// streams. A moment is then found by looking for it, more or less.
	Timed bool
	// Search is where to look for a run, so that what is found comes before a frame that
	// can be decoded alone; see [Video.SearchFor]. Zero: there is no such place.
	Search int64
	// End is the tick at which the last frame ends.
	End int64
}

// ProbeSound is Probe of a file that must have sound. Errors: ErrNoAudio; those of Probe.
func (p Programs) ProbeSound(ctx context.Context, in *os.File) (*Info, error) {
	info, err := p.Probe(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(info.Audio) == 0 {
		return nil, ErrNoAudio
	}
	return info, nil
}

// Begin is when the first frame is shown, on the file's clock.
func (v *Video) Begin() time.Duration {
	if len(v.Times) == 0 {
		return 0
	}
	return v.TimeBase.Duration(v.Times[0])
}

// Duration is how long the frames are shown.
func (v *Video) Duration() time.Duration {
	if len(v.Times) == 0 {
		return 0
	}
	return v.TimeBase.Duration(v.End - v.Times[0])
}

// Audio is an audio stream.
type Audio struct {
	Stream   int // index within the file
	Codec    string
	Rate     int // samples a second
	Channels int
	BitRate  int64 // bits a second; 0: unknown
	// Language is ISO 639's three letters; empty: unknown.
	Language string
	// Start is when it starts, on the file's clock, and Duration how long it is, as
	// counted. A decoder may give some samples more or less.
	Start, Duration time.Duration
}

// slack is how much of what a header claims may be missing: encoders round up, and
// count what the other streams have.
const slack = time.Second

// Whole reports whether all is there that the header claims. Errors: ErrCut,
// saying how much is missing.
func (i *Info) Whole() error {
	if i.lost > 0 {
		return fmt.Errorf("%w: its header counts %d frames more than it holds", ErrCut, i.lost)
	}
	missing := i.Claimed - i.Duration
	if strings.HasPrefix(i.Format, "matroska") { // which counts from zero, and not from where it starts
		missing -= max(0, i.Start)
	}
	if missing > slack+i.Claimed/100 {
		return fmt.Errorf("%w: it ends after %v, and its header claims %v", ErrCut,
			i.Duration.Round(time.Millisecond), i.Claimed.Round(time.Millisecond))
	}
	return nil
}

// CheckFrames reports why the frames of a file cannot all be worked on.
// Errors: ErrNoVideo, ErrCut.
func CheckFrames(i *Info) error {
	switch {
	case i.Video == nil:
		return ErrNoVideo
	case len(i.Video.Times) == 0:
		return fmt.Errorf("%w: its video stream has no frame", ErrCut)
	case !i.Video.Rate.Known():
		return fmt.Errorf("%w: its frames have no rate", ErrNotMedia)
	}
	return i.Whole()
}

// Probe says what the file holds. It reads all of it without decoding, since headers
// are wrong too often. The offset of in does not matter and is left alone.
//
// Errors: ErrMissing, ErrNotMedia, ErrTooLarge (more frames than fit in memory), or
// the context's own.
func (p Programs) Probe(ctx context.Context, in *os.File) (*Info, error) {
	header, info, err := p.readHeader(ctx, in)
	if err != nil {
		return nil, err
	}
	index := newIndex(header)
	if err := p.readIndex(ctx, in, index); err != nil {
		return nil, err
	}
	if err := p.shift(ctx, in, index); err != nil {
		return nil, err
	}
	index.apply(info)
	return info, nil
}

// Tags are those of [Info], of a file's header alone. Errors: ErrMissing, ErrNotMedia,
// or the context's own.
func (p Programs) Tags(ctx context.Context, in *os.File) (map[string]string, error) {
	header, err := p.header(ctx, in)
	if err != nil {
		return nil, notMedia(err)
	}
	return header.tags(), nil
}

// Begin is when the first frame is shown, on the file's own clock; 0 where there is no
// video, or nobody has listed its frames.
func (i *Info) Begin() time.Duration {
	if i.Video == nil || len(i.Video.Times) == 0 {
		return 0
	}
	return i.Video.TimeBase.Duration(i.Video.Times[0])
}

// Header says what the file's header claims, and reads little else: frames are not
// listed, nothing is counted, and the rate is the mean. It does for files that one has
// made oneself, or that somebody has probed before. Errors: those of Probe.
func (p Programs) Header(ctx context.Context, in *os.File) (*Info, error) {
	_, info, err := p.readHeader(ctx, in)
	return info, err
}

func (p Programs) readHeader(ctx context.Context, in *os.File) (*header, *Info, error) {
	stat, err := in.Stat()
	if err != nil {
		return nil, nil, err
	}
	if stat.Size() == 0 {
		return nil, nil, &Error{Program: "ffprobe", Text: "the file is empty", Err: ErrNotMedia}
	}
	header, err := p.header(ctx, in)
	if err != nil {
		return nil, nil, notMedia(err)
	}
	info, err := header.info()
	if err != nil {
		return nil, nil, err
	}
	info.Bytes = stat.Size()
	return header, info, nil
}

// notMedia is for the error of a program that could not make sense of a file.
func notMedia(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || errors.Is(err, ErrMissing) {
		return err
	}
	return &Error{Program: e.Program, Text: e.Text, Err: fmt.Errorf("%w: %w", ErrNotMedia, e.Err)}
}

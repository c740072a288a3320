package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
)

// Sound describes samples: 32-bit floats, little endian, from -1 to 1, the channels of
// one moment after another.
type Sound struct {
	Rate     int // moments a second
	Channels int
}

// The bounds of Sound.
const (
	MaxSampleRate = 768_000
	MaxChannels   = 32
)

// FrameBytes is the size of the samples of one moment.
func (s Sound) FrameBytes() int { return 4 * s.Channels }

func (s Sound) check() error {
	if s.Rate < 1 || s.Rate > MaxSampleRate || s.Channels < 1 || s.Channels > MaxChannels {
		return fmt.Errorf("%w: sound of %d channels at %d samples a second", ErrTooLarge, s.Channels, s.Rate)
	}
	return nil
}

// Sound is how the stream's samples come out where nothing else is asked for.
func (a Audio) Sound() Sound { return Sound{Rate: a.Rate, Channels: a.Channels} }

// SampleReader decodes sound. Read gives the bytes of samples, and io.EOF only after
// the program ended well; a stream that cannot be decoded to its end gives ErrDamaged.
// Not for concurrent use.
type SampleReader struct {
	proc  *process
	stop  context.CancelFunc
	out   *os.File
	ended error
}

// Samples begins to decode an audio stream of a file to samples as s says, from the
// first to the last. The same file gives the same samples every time, so that whoever
// cuts them by number cuts exactly; formats with loss do not allow that before
// decoding. The caller closes the reader. Errors: ErrMissing, ErrTooLarge.
func (p Programs) Samples(ctx context.Context, in *os.File, a Audio, s Sound) (*SampleReader, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	args := append(inputArgs(0), "-map", fmt.Sprintf("0:%d", a.Stream),
		"-ar", strconv.Itoa(s.Rate), "-ac", strconv.Itoa(s.Channels), "-c:a", "pcm_f32le", "-f", "f32le", "pipe:4")
	proc, err := p.start(ctx, run{program: "ffmpeg", files: []*os.File{in, theirs}, args: args})
	theirs.Close()
	if err != nil {
		stop()
		ours.Close()
		return nil, err
	}
	return &SampleReader{proc: proc, stop: stop, out: ours}, nil
}

// Read implements io.Reader.
func (r *SampleReader) Read(b []byte) (int, error) {
	if r.ended != nil {
		return 0, r.ended
	}
	n, err := r.out.Read(b)
	if err == nil {
		return n, nil
	}
	r.ended = err
	if errors.Is(err, io.EOF) {
		if ended := r.proc.wait(); ended != nil {
			r.ended = ended
			if e, ok := errors.AsType[*Error](ended); ok {
				r.ended = &Error{Program: e.Program, Text: e.Text, Err: fmt.Errorf("%w: %w", ErrDamaged, e.Err)}
			}
		}
	}
	return n, r.ended
}

// Close ends the program.
func (r *SampleReader) Close() error {
	r.stop()
	r.out.Close()
	r.proc.kill()
	return nil
}

// SoundFormat is a kind of file that samples are written to.
type SoundFormat string

// The formats. WAV holds 16 bits a sample, and FloatWAV the samples as they are; MP3
// loses a little, and holds two channels and 48,000 samples a second at the most.
const (
	WAV      SoundFormat = "wav"
	FloatWAV SoundFormat = "float"
	FLAC     SoundFormat = "flac"
	MP3      SoundFormat = "mp3"
)

// args ask for the format.
func (f SoundFormat) args() ([]string, error) {
	switch f {
	case WAV:
		return []string{"-c:a", "pcm_s16le", "-rf64", "auto", "-f", "wav"}, nil
	case FloatWAV:
		return []string{"-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav"}, nil
	case FLAC:
		return []string{"-c:a", "flac", "-f", "flac"}, nil
	case MP3:
		return []string{"-c:a", "libmp3lame", "-q:a", "2", "-id3v2_version", "3", "-f", "mp3"}, nil
	}
	return nil, fmt.Errorf("%q is not a format of sound", string(f))
}

// maxTagBytes bounds the name and the value of a tag: they are arguments of a program.
const maxTagBytes = 64 << 10

// SampleWriter encodes sound. Not for concurrent use.
type SampleWriter struct {
	proc *process
	stop context.CancelFunc
	in   *os.File
}

// EncodeSound begins a sound file in out, which is emptied, with the tags given. The
// caller writes samples as s says, and then finishes or closes the writer.
// Errors: ErrMissing, ErrTooLarge, or the format's.
func (p Programs) EncodeSound(ctx context.Context, out *os.File, s Sound, f SoundFormat, tags map[string]string) (*SampleWriter, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	format, err := f.args()
	if err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	args := []string{"-f", "f32le", "-ar", strconv.Itoa(s.Rate), "-ac", strconv.Itoa(s.Channels), "-i", "pipe:3", "-map", "0:a:0", "-fflags", "+bitexact"}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if len(name)+len(tags[name]) < maxTagBytes {
			args = append(args, "-metadata", name+"="+tags[name])
		}
	}
	ctx, stop := context.WithCancel(ctx)
	args = append(append(args, format...), "file:"+openName(1))
	proc, err := p.start(ctx, run{program: "ffmpeg", files: []*os.File{theirs, out}, args: args})
	theirs.Close()
	if err != nil {
		stop()
		ours.Close()
		return nil, err
	}
	return &SampleWriter{proc: proc, stop: stop, in: ours}, nil
}

// Write implements io.Writer.
func (w *SampleWriter) Write(b []byte) (int, error) {
	n, err := w.in.Write(b)
	if err != nil {
		w.in.Close()
		if ended := w.proc.wait(); ended != nil {
			err = ended
		}
	}
	return n, err
}

// Finish ends the file, which is whole then.
func (w *SampleWriter) Finish() error {
	if err := w.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return w.proc.wait()
}

// Close ends the program, whether the file is finished or not.
func (w *SampleWriter) Close() error {
	w.in.Close()
	w.proc.kill()
	w.stop()
	return nil
}

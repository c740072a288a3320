package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// floatSource reads what decoders give.
type floatSource struct {
	in       io.Reader
	channels int
	bytes    []byte
}

// Floats reads samples as 32-bit floats, little endian, without a header: what a
// decoder gives (FFmpeg: -f f32le). A moment that is cut is ErrCut.
func Floats(in io.Reader, channels int) Source { return &floatSource{in: in, channels: channels} }

// Read implements [Source].
func (s *floatSource) Read(p []float32) (int, error) {
	want := 4 * (len(p) - len(p)%s.channels)
	if cap(s.bytes) < want {
		s.bytes = make([]byte, want)
	}
	got, err := io.ReadFull(s.in, s.bytes[:want])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
		if got%(4*s.channels) != 0 {
			err = fmt.Errorf("%w: in the middle of a sample", ErrCut)
		}
	}
	n := got / (4 * s.channels) * s.channels
	for i := range n {
		p[i] = math.Float32frombits(binary.LittleEndian.Uint32(s.bytes[4*i:]))
	}
	return n, err
}

// AppendFloats appends samples as [Floats] reads them.
func AppendFloats(dst []byte, samples []float32) []byte {
	for _, x := range samples {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// Skip drops moments of a source. In a WAV file that can seek it jumps. Errors: ErrCut
// where there are fewer, its own.
func Skip(in Source, channels int, moments int64) error {
	if wav, ok := in.(*WAVReader); ok && moments > 0 {
		if done, err := wav.jump(moments); done || err != nil {
			return err
		}
	}
	const atOnce = 4096
	scratch := make([]float32, atOnce*channels)
	for left := moments; left > 0; { // of moments: a hostile range has more than there are numbers of samples
		n, err := in.Read(scratch[:int(min(left, atOnce))*channels])
		left -= int64(n / channels)
		switch {
		case left <= 0:
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: %d moments before the range that is wanted", ErrCut, left)
		case err != nil:
			return err
		}
	}
	return nil
}

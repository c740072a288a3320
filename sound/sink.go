package sound

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
)

// Sink takes samples, whole moments at a time, and becomes something with Finish.
type Sink interface {
	Write(samples []float32) error
	Finish() error
}

var _ Sink = (*WAVWriter)(nil)

// Encoder takes what [Floats] reads: a program that encodes.
type Encoder interface {
	io.Writer
	Finish() error
}

type encoderSink struct {
	Encoder
	bytes []byte
}

// EncodeTo is a sink whose samples go to an encoder.
func EncodeTo(e Encoder) Sink { return &encoderSink{Encoder: e} }

// Write implements [Sink].
func (s *encoderSink) Write(samples []float32) error {
	s.bytes = s.bytes[:0]
	for _, x := range samples {
		s.bytes = binary.LittleEndian.AppendUint32(s.bytes, math.Float32bits(tame(x)))
	}
	_, err := s.Encoder.Write(s.bytes)
	return err
}

// Weave puts the same moments of several tracks side by side, as the channels of one
// stream: those of the first track, then those of the second, and so on. It returns
// dst, grown as needed.
func Weave(dst []float32, tracks [][]float32, channels int) []float32 {
	dst = dst[:0]
	for at := 0; at < len(tracks[0]); at += channels {
		for _, track := range tracks {
			dst = append(dst, track[at:at+channels]...)
		}
	}
	return dst
}

// Unweave takes apart what [Weave] made. It overwrites what the tracks hold.
func Unweave(tracks [][]float32, samples []float32, channels int) {
	step := channels * len(tracks)
	for i, track := range tracks {
		count := len(samples) / len(tracks)
		track = slices.Grow(track[:0], count)[:count]
		for at, from := 0, i*channels; at < count; at, from = at+channels, from+step {
			for c := range channels {
				track[at+c] = samples[from+c]
			}
		}
		tracks[i] = track
	}
}

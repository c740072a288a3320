package sound

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// WAVWriter writes a WAV file. It holds no samples back, so that its memory does not
// depend on the file's length; beyond 4 GiB the file is RF64. Not for concurrent use.
type WAVWriter struct {
	out      io.WriteSeeker
	format   Format
	encoding Encoding
	data     int64 // bytes of samples written
	bytes    []byte
	limit    int64  // of bytes of samples and tags in a RIFF file
	tags     []byte // chunks that come after the samples
}

// headerBytes is the size of what stands before the samples: RIFF, room for the ds64
// chunk of RF64, fmt, fact, data.
const headerBytes = 12 + 36 + 48 + 12 + 8

// NewWAVWriter begins a WAV file at the place where out is, which is its beginning.
// The header is complete only after Finish. Errors: ErrFormat, those of out.
func NewWAVWriter(out io.WriteSeeker, f Format, e Encoding) (*WAVWriter, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	if e < PCM16 || e > Float32 {
		return nil, fmt.Errorf("%w: an encoding of %d to write", ErrFormat, int(e))
	}
	w := &WAVWriter{out: out, format: f, encoding: e, limit: math.MaxUint32 - headerBytes}
	_, err := out.Write(w.header())
	return w, err
}

// Write writes whole moments. Errors: those of out.
func (w *WAVWriter) Write(samples []float32) error {
	w.bytes = w.encoding.append(w.bytes[:0], samples)
	n, err := w.out.Write(w.bytes)
	w.data += int64(n)
	return err
}

// Moments is how many were written.
func (w *WAVWriter) Moments() int64 {
	return w.data / int64(w.format.Channels*w.encoding.bytes())
}

// Tag has Finish put chunks of tags behind the samples; see [WAVTags].
func (w *WAVWriter) Tag(chunks []byte) { w.tags = chunks }

// Finish writes the tags and completes the header. Nothing may be written after it.
func (w *WAVWriter) Finish() error {
	if _, err := w.out.Write(slices.Concat(make([]byte, w.data%2), w.tags)); err != nil {
		return err
	}
	if _, err := w.out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := w.out.Write(w.header()); err != nil {
		return err
	}
	_, err := w.out.Seek(0, io.SeekEnd)
	return err
}

// header is the file's beginning, for the samples written so far.
func (w *WAVWriter) header() []byte {
	all := headerBytes - 8 + w.data + w.data%2 + int64(len(w.tags))
	riff, data := uint32(all), uint32(w.data)
	kind, room := "RIFF", "JUNK"
	if w.data+int64(len(w.tags)) > w.limit {
		kind, room, riff, data = "RF64", "ds64", unknownSize, unknownSize
	}
	little := binary.LittleEndian
	b := append(little.AppendUint32([]byte(kind), riff), "WAVE"+room...)
	b = little.AppendUint32(b, 28)
	if room == "ds64" {
		b = little.AppendUint64(b, uint64(all))
		b = little.AppendUint64(b, uint64(w.data))
		b = little.AppendUint64(b, uint64(w.Moments()))
	} else {
		b = append(b, make([]byte, 24)...)
	}
	b = append(b, 0, 0, 0, 0)
	b = w.describe(b)
	b = little.AppendUint32(little.AppendUint32(append(b, "fact"...), 4), uint32(min(w.Moments(), math.MaxUint32)))
	return little.AppendUint32(append(b, "data"...), data)
}

// describe appends the fmt chunk. It is the extensible kind, which alone is defined for
// more than 16 bits and more than two channels.
func (w *WAVWriter) describe(b []byte) []byte {
	little := binary.LittleEndian
	kind, size := uint16(wavPCM), w.encoding.bytes()
	if w.encoding == Float32 {
		kind = wavFloat
	}
	align := w.format.Channels * size
	b = little.AppendUint32(append(b, "fmt "...), 40)
	b = little.AppendUint16(little.AppendUint16(b, wavExtensible), uint16(w.format.Channels))
	b = little.AppendUint32(little.AppendUint32(b, uint32(w.format.Rate)), uint32(w.format.Rate*align))
	b = little.AppendUint16(little.AppendUint16(b, uint16(align)), uint16(8*size))
	b = little.AppendUint16(little.AppendUint16(b, 22), uint16(8*size))
	b = little.AppendUint32(b, speakers(w.format.Channels))
	return append(little.AppendUint16(b, kind), "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"...)
}

// speakers are the places of one or two channels: centre, or left and right; none for
// more, since nobody told.
func speakers(channels int) uint32 {
	switch channels {
	case 1:
		return 4
	case 2:
		return 3
	}
	return 0
}

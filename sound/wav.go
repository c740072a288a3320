package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Encoding is how a WAV file writes a sample.
type Encoding int

// The encodings. Samples from -1 to 1 become whole numbers by rounding to the nearest,
// without dither; what is beyond is cut to the loudest.
const (
	PCM16 Encoding = iota
	PCM24
	PCM32
	Float32
	pcm8     // is read, not written
	float64s // is read, not written
)

// EncodingNamed is how samples are kept that are to become a file of a format, "wav" or
// another, with a depth of "16", "24" or "float": those of a WAV file as they will be, so
// that keeping them changes nothing, and others without loss.
func EncodingNamed(format, depth string) Encoding {
	switch {
	case format != "wav" || depth == "float":
		return Float32
	case depth == "24":
		return PCM24
	}
	return PCM16
}

// bytes is the size of one sample.
func (e Encoding) bytes() int { return [...]int{2, 3, 4, 4, 1, 8}[e] }

// The words of a WAV header (Microsoft, "Multimedia Programming Interface and Data
// Specifications 1.0", 1991; EBU Tech 3306 for RF64).
const (
	wavPCM, wavFloat, wavExtensible = 1, 3, 0xFFFE

	unknownSize  = math.MaxUint32 // a writer that could not go back, or RF64
	maxFormBytes = 1 << 12        // of the chunk that describes the samples
	maxChunks    = 1 << 10        // before the samples
)

// WAVReader reads the samples of a WAV file. Not for concurrent use.
type WAVReader struct {
	// Format and Encoding are the file's.
	Format   Format
	Encoding Encoding
	// Moments is how many the header tells of, or -1 where it does not know.
	Moments int64

	in    io.Reader
	left  int64 // moments to come; below 0: as many as there are
	bytes []byte
}

// NewWAVReader reads the header of a WAV file: RIFF or RF64, whole numbers of 8, 16, 24
// or 32 bits, or floats of 32 or 64. It takes no more memory than a header needs, whatever
// the file claims. Errors: ErrFormat (no WAV, or samples of another kind), ErrDamaged,
// ErrCut, those of in.
func NewWAVReader(in io.Reader) (*WAVReader, error) {
	var head [12]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, short(err, fmt.Errorf("%w: it is no WAV file", ErrFormat))
	}
	kind := string(head[:4])
	if kind != "RIFF" && kind != "RF64" || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: it is no WAV file", ErrFormat)
	}
	h := wavHeader{in: in, long: -1}
	for range maxChunks {
		done, err := h.chunk(kind == "RF64")
		if err != nil {
			return nil, err
		}
		if done {
			return h.reader()
		}
	}
	return nil, fmt.Errorf("%w: more than %d chunks and no samples", ErrDamaged, maxChunks)
}

// short is instead for a file that ended, and err for one that could not be read.
func short(err, instead error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return instead
	}
	return err
}

// wavHeader is a header on its way in.
type wavHeader struct {
	in    io.Reader
	form  []byte // describes the samples
	long  int64  // bytes of samples that an RF64 file tells of; -1: none told
	bytes int64  // bytes of samples; -1: unknown
}

// chunk reads one chunk, and tells whether samples follow.
func (h *wavHeader) chunk(rf64 bool) (bool, error) {
	cut := fmt.Errorf("%w: within its header", ErrCut)
	var head [8]byte
	if _, err := io.ReadFull(h.in, head[:]); err != nil {
		return false, short(err, cut)
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	switch name := string(head[:4]); name {
	case "data":
		h.bytes = size
		if size == unknownSize {
			h.bytes = h.long
		}
		return true, nil
	case "fmt ", "ds64":
		if size > maxFormBytes {
			return false, fmt.Errorf("%w: a %q chunk of %d bytes", ErrDamaged, name, size)
		}
		body := make([]byte, size+size%2)
		if _, err := io.ReadFull(h.in, body); err != nil {
			return false, short(err, cut)
		}
		if name == "fmt " {
			h.form = body
		} else if rf64 && size >= 16 {
			h.long = int64(binary.LittleEndian.Uint64(body[8:]) & math.MaxInt64)
		}
		return false, nil
	}
	if _, err := io.CopyN(io.Discard, h.in, size+size%2); err != nil {
		return false, short(err, cut)
	}
	return false, nil
}

// reader checks what was read, and begins with the samples.
func (h *wavHeader) reader() (*WAVReader, error) {
	if len(h.form) < 16 {
		return nil, fmt.Errorf("%w: it does not say what its samples are", ErrDamaged)
	}
	word := func(at int) int { return int(binary.LittleEndian.Uint16(h.form[at:])) }
	tag, bits := word(0), word(14)
	if tag == wavExtensible && len(h.form) >= 26 {
		tag = word(24)
	}
	rate := binary.LittleEndian.Uint32(h.form[4:])
	r := &WAVReader{Format: Format{Rate: int(min(rate, math.MaxInt32)), Channels: word(2)}, Moments: -1, in: h.in, left: -1}
	if err := r.Format.Check(); err != nil {
		return nil, err
	}
	var known bool
	if r.Encoding, known = encodingOf(tag, bits); !known {
		return nil, fmt.Errorf("%w: WAV samples of kind %d with %d bits", ErrFormat, tag, bits)
	}
	if align := word(12); align != r.momentBytes() {
		return nil, fmt.Errorf("%w: %d bytes for %d channels of %d bits", ErrDamaged, align, r.Format.Channels, bits)
	}
	if h.bytes >= 0 { // what is over the last whole moment is padding
		r.Moments = h.bytes / int64(r.momentBytes())
		r.left = r.Moments
	}
	return r, nil
}

func encodingOf(tag, bits int) (Encoding, bool) {
	switch {
	case tag == wavPCM && bits == 8:
		return pcm8, true
	case tag == wavPCM && bits == 16:
		return PCM16, true
	case tag == wavPCM && bits == 24:
		return PCM24, true
	case tag == wavPCM && bits == 32:
		return PCM32, true
	case tag == wavFloat && bits == 32:
		return Float32, true
	case tag == wavFloat && bits == 64:
		return float64s, true
	}
	return 0, false
}

func (r *WAVReader) momentBytes() int { return r.Format.Channels * r.Encoding.bytes() }

// Read implements [Source]. A file that ends before its header says gives ErrCut.
func (r *WAVReader) Read(p []float32) (int, error) {
	moments := int64(len(p) / r.Format.Channels)
	if r.left >= 0 {
		moments = min(moments, r.left)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	want := int(moments) * r.momentBytes()
	if cap(r.bytes) < want {
		r.bytes = make([]byte, want)
	}
	got, err := io.ReadFull(r.in, r.bytes[:want])
	whole := got / r.momentBytes()
	r.Encoding.decode(p[:whole*r.Format.Channels], r.bytes)
	if r.left > 0 {
		r.left -= int64(whole)
	}
	if err != nil && r.left > 0 {
		err = short(err, fmt.Errorf("%w: %d moments of %d are missing", ErrCut, r.left, r.Moments))
	} else if err != nil {
		err = short(err, io.EOF)
	}
	return whole * r.Format.Channels, err
}

// jump goes on by so many moments at once; false: it cannot.
func (r *WAVReader) jump(moments int64) (bool, error) {
	in, ok := r.in.(io.Seeker)
	if !ok || r.left < 0 {
		return false, nil
	}
	if moments > r.left {
		return true, fmt.Errorf("%w: %d moments before the range that is wanted", ErrCut, moments-r.left)
	}
	_, err := in.Seek(moments*int64(r.momentBytes()), io.SeekCurrent)
	r.left -= moments
	return true, err
}

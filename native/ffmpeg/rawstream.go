package ffmpeg

import (
	"encoding/binary"
	"io"
	"math"
)

// rawStream writes frames with times of their own as Matroska (RFC 9559, in the EBML of
// RFC 8794): raw video has no times, and Matroska is the plainest container that FFmpeg
// reads from a pipe. A cluster for each frame carries its time whole.
type rawStream struct {
	out      io.Writer
	encoding Encoding
	begun    bool
}

// tickNanos is how long one tick of the stream is: short enough for every time base.
const tickNanos = 1000

// The ids of the elements.
const (
	idEBML          = 0x1A45DFA3
	idDocType       = 0x4282
	idSegment       = 0x18538067
	idInfo          = 0x1549A966
	idTimestampUnit = 0x2AD7B1
	idTracks        = 0x1654AE6B
	idTrack         = 0xAE
	idTrackNumber   = 0xD7
	idTrackUID      = 0x73C5
	idTrackType     = 0x83
	idCodec         = 0x86
	idVideo         = 0xE0
	idWidth         = 0xB0
	idHeight        = 0xBA
	idColourSpace   = 0x2EB524
	idCluster       = 0x1F43B675
	idTimestamp     = 0xE7
	idSimpleBlock   = 0xA3
)

// unknownSize is that of an element that ends with the stream.
var unknownSize = []byte{0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// write adds a frame.
func (r *rawStream) write(time int64, frame []byte) error {
	if !r.begun {
		r.begun = true
		if _, err := r.out.Write(r.header()); err != nil {
			return err
		}
	}
	ticks := int64(math.Round(float64(time) * r.encoding.Base.Float() * 1e9 / tickNanos))
	block := []byte{0x81, 0, 0, 0x80} // of track 1, 0 ticks after its cluster, a key frame
	inner := append(element(idTimestamp, number(uint64(max(0, ticks)))), head(idSimpleBlock, len(block)+len(frame))...)
	inner = append(inner, block...)
	if _, err := r.out.Write(append(head(idCluster, len(inner)+len(frame)), inner...)); err != nil {
		return err
	}
	_, err := r.out.Write(frame)
	return err
}

// header is all that comes before the frames.
func (r *rawStream) header() []byte {
	space := "BGR\x18"
	if r.encoding.Planar {
		space = "I420"
	}
	video := element(idVideo,
		element(idWidth, number(uint64(r.encoding.Width))), element(idHeight, number(uint64(r.encoding.Height))),
		element(idColourSpace, []byte(space)))
	track := element(idTrack, element(idTrackNumber, number(1)), element(idTrackUID, number(1)),
		element(idTrackType, number(1)), element(idCodec, []byte("V_UNCOMPRESSED")), video)
	all := element(idEBML, element(idDocType, []byte("matroska")))
	all = append(binary.BigEndian.AppendUint32(all, idSegment), unknownSize...)
	all = append(all, element(idInfo, element(idTimestampUnit, number(tickNanos)))...)
	return append(all, element(idTracks, track)...)
}

// element is one with what it holds.
func element(id uint32, parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	all := head(id, size)
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// head begins an element: its id without leading zeros, and its size in eight bytes.
func head(id uint32, size int) []byte {
	var all []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if b := byte(id >> shift); b != 0 || len(all) > 0 {
			all = append(all, b)
		}
	}
	return binary.BigEndian.AppendUint64(all, uint64(size)|1<<56)
}

// number is an unsigned integer.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

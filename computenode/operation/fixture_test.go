package operation

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// gradient is a small picture.
func gradient(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x * 7), uint8(y * 5), uint8(x * y), 255})
		}
	}
	return img
}

func aJPEG(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, jpeg.Encode(&b, gradient(40, 30), nil))
	return b.Bytes()
}

func aPNG(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, png.Encode(&b, gradient(40, 30)))
	return b.Bytes()
}

// pngHeader is a PNG of w × h that holds no picture but is whole.
func pngHeader(w, h uint32) []byte {
	b := []byte(pngSignature)
	for _, chunk := range []struct{ kind, data string }{{"IHDR", string(u32(w)) + string(u32(h)) + "\x08\x02\x00\x00\x00"}, {"IEND", ""}} {
		b = append(b, u32(uint32(len(chunk.data)))...)
		b = append(b, chunk.kind+chunk.data...)
		b = append(b, u32(crc32.ChecksumIEEE([]byte(chunk.kind+chunk.data)))...)
	}
	return b
}

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// bmpHeader is the start of an uncompressed BMP.
func bmpHeader(w, h int32) []byte {
	b := append([]byte("BM"), make([]byte, 52)...)
	little := binary.LittleEndian
	little.PutUint32(b[10:], 54)
	little.PutUint32(b[14:], 40)
	little.PutUint32(b[18:], uint32(w))
	little.PutUint32(b[22:], uint32(h))
	little.PutUint16(b[26:], 1)
	little.PutUint16(b[28:], 24)
	return b
}

// tiffHeader is a TIFF, or BigTIFF, directory with a size and nothing else.
func tiffHeader(order binary.AppendByteOrder, big bool, w, h uint32) []byte {
	b := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM")
	}
	if big {
		b = order.AppendUint64(order.AppendUint16(order.AppendUint16(order.AppendUint16(b, 43), 8), 0), 16)
		b = order.AppendUint64(b, 2)
	} else {
		b = order.AppendUint16(order.AppendUint32(order.AppendUint16(b, 42), 8), 2)
	}
	for tag, n := range []uint32{w, h} {
		b = order.AppendUint16(order.AppendUint16(b, uint16(tiffWidth+tag)), tiffLong)
		if big {
			b = append(order.AppendUint32(order.AppendUint64(b, 1), n), 0, 0, 0, 0)
		} else {
			b = order.AppendUint32(order.AppendUint32(b, 1), n)
		}
	}
	return b
}

// webp wraps a chunk.
func webp(kind, body string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+8+len(body)))
	b = binary.LittleEndian.AppendUint32(append(b, "WEBP"+kind...), uint32(len(body)))
	return append(b, body...)
}

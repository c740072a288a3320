package operation

import (
	"bytes"
	"encoding/binary"
	"image"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMeasure_ReadsTheSizeOfEveryFormat(t *testing.T) {
	photo := aJPEG(t)
	exif := bytes.Join([][]byte{photo[:2], {0xff, 0xe1, 0, 8, 0xff, 0xd9, 0xff, 0xd9, 0, 0}, photo[2:]}, nil)
	for _, row := range []struct {
		name string
		data []byte
		want size
	}{
		{"jpeg", photo, size{40, 30}},
		{"jpeg with end markers in a segment", exif, size{40, 30}},
		{"jpeg with bytes behind its end", append(bytes.Clone(photo), make([]byte, 100_000)...), size{40, 30}},
		{"jpeg with another behind its end", append(bytes.Clone(photo), photo[:99]...), size{40, 30}},
		{"png", aPNG(t), size{40, 30}},
		{"png with bytes behind its end", append(aPNG(t), "more"...), size{40, 30}},
		{"webp lossy", webp("VP8 ", "\x30\x01\x00\x9d\x01\x2a\x8f\x00\x61\x00\x00\x00"), size{143, 97}},
		{"webp lossless", webp("VP8L", "\x2f\x8e\x00\x18\x00\x00\x00\x00\x00\x00"), size{143, 97}},
		{"webp extended", webp("VP8X", "\x10\x00\x00\x00\x8e\x00\x00\x60\x00\x00"), size{143, 97}},
		{"bmp", bmpHeader(143, 97), size{143, 97}},
		{"bmp from the top", bmpHeader(143, -97), size{143, 97}},
		{"bmp of os/2", append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x0c\x00\x00\x00\x8f\x00\x61\x00\x01\x00\x18\x00"), 0), size{143, 97}},
		{"tiff", tiffHeader(binary.LittleEndian, false, 143, 97), size{143, 97}},
		{"tiff of the other order", tiffHeader(binary.BigEndian, false, 143, 97), size{143, 97}},
		{"bigtiff", tiffHeader(binary.LittleEndian, true, 143, 97), size{143, 97}},
		{"bigtiff of the other order", tiffHeader(binary.BigEndian, true, 143, 97), size{143, 97}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := measure(row.data)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

// A file cut anywhere is never taken for a whole one.
func TestMeasure_SeesEveryCut(t *testing.T) {
	for name, data := range map[string][]byte{"jpeg": aJPEG(t), "png": aPNG(t)} {
		for n := range data {
			_, err := measure(data[:n])
			require.Error(t, err, "%s cut to %d of %d bytes", name, n, len(data))
		}
	}
}

func TestMeasure_SaysWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, errUnknown},
		{"text", []byte("hello, I am a picture"), errUnknown},
		{"gif", []byte("GIF89a\x01\x00\x01\x00"), errUnknown},
		{"svg", []byte("<svg/>"), errUnknown},
		{"riff that is sound", webp("fmt ", "")[:8], errUnknown},
		{"jpeg without its end", aJPEG(t)[:500], errCut},
		{"jpeg without a frame", []byte("\xff\xd8\xff\xd9"), errBroken},
		{"jpeg with a segment of no length", []byte("\xff\xd8\xff\xe0\x00\x01"), errBroken},
		{"jpeg with a short frame", []byte("\xff\xd8\xff\xc0\x00\x03\x08"), errBroken},
		{"png without IEND", aPNG(t)[:len(aPNG(t))-12], errCut},
		{"png that starts with IEND", append([]byte(pngSignature), "\x00\x00\x00\x00IEND\xae\x42\x60\x82"...), errBroken},
		{"png of no width", pngHeader(0, 5), errBroken},
		{"webp without its end", webp("VP8X", "\x10\x00\x00\x00\x8e\x00\x00\x60\x00\x00")[:29], errCut},
		{"webp of no kind", webp("ABCD", "0123456789"), errBroken},
		{"webp animation", webp("VP8X", "\x02\x00\x00\x00\x8e\x00\x00\x60\x00\x00"), errAnimation},
		{"webp key frame without its mark", webp("VP8 ", "0123456789"), errBroken},
		{"bmp without its header", []byte("BM123"), errCut},
		{"bmp of negative width", bmpHeader(-3, 3), errBroken},
		{"tiff without its directory", []byte("II*\x00\xff\x00\x00\x00"), errCut},
		{"tiff cut in its directory", tiffHeader(binary.LittleEndian, false, 3, 3)[:10], errCut},
		{"tiff of no size", []byte("II*\x00\x08\x00\x00\x00\x00\x00"), errBroken},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := measure(row.data)
			require.ErrorIs(t, err, row.want)
		})
	}
}

// Whatever the bytes, measure ends, stays within them, and agrees with the
// standard library where both know the picture.
func FuzzMeasure(f *testing.F) {
	for _, seed := range [][]byte{
		aJPEG(f), aPNG(f), pngHeader(30000, 30000), bmpHeader(3, -4),
		webp("VP8 ", "\x30\x01\x00\x9d\x01\x2a\x8f\x00\x61\x00\x00\x00"),
		webp("VP8L", "\x2f\x8e\x00\x18\x00\x00\x00\x00\x00\x00"),
		webp("VP8X", "\x10\x00\x00\x00\x8e\x00\x00\x60\x00\x00"),
		tiffHeader(binary.LittleEndian, false, 3, 4), tiffHeader(binary.BigEndian, true, 3, 4),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := measure(data)
		if err != nil {
			require.Zero(t, got)
			return
		}
		require.Positive(t, got.w)
		require.Positive(t, got.h)
		if config, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
			require.Equal(t, size{int64(config.Width), int64(config.Height)}, got)
		}
	})
}

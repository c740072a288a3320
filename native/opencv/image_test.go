//go:build gocv_specific_modules && gocv_photo

package opencv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// picture is a PNG of w × h.
func picture(tb testing.TB, w, h int) []byte {
	tb.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.NRGBA{uint8(3 * x), uint8(5 * y), uint8(x ^ y), 255})
		}
	}
	var b bytes.Buffer
	require.NoError(tb, png.Encode(&b, img))
	return b.Bytes()
}

// decoded is an open image.
func decoded(tb testing.TB, data []byte) *Image {
	tb.Helper()
	im, err := Decode(data)
	require.NoError(tb, err)
	tb.Cleanup(func() { im.Close() })
	return im
}

func TestImage_DecodesAndEncodes(t *testing.T) {
	require.True(t, Available)
	require.NotEmpty(t, Version())
	im := decoded(t, picture(t, 30, 20))
	require.Equal(t, []int{30, 20, 3}, []int{im.Width(), im.Height(), im.Channels()})
	for _, ext := range []string{".png", ".bmp", ".tif", ".webp", ".jpg"} {
		data, err := Encode(im, ext)
		require.NoError(t, err)
		again, err := Decode(data.Bytes())
		require.NoError(t, err)
		require.Equal(t, []int{30, 20, 3}, []int{again.Width(), again.Height(), again.Channels()})
		require.NoError(t, again.Close())
		require.NoError(t, data.Close())
	}
}

func TestDecode_UndecodableBytesGiveNoImage(t *testing.T) {
	for _, data := range [][]byte{nil, {}, []byte("text"), picture(t, 30, 20)[:20], picture(t, 30, 20)[:100]} {
		im, err := Decode(data)
		require.ErrorIs(t, err, ErrUndecodable)
		require.Nil(t, im)
	}
}

func TestImage_ClosedIsAnErrorNotACrash(t *testing.T) {
	open, closed := decoded(t, picture(t, 9, 9)), decoded(t, picture(t, 9, 9))
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Close())
	for _, im := range []*Image{closed, {}, nil} {
		require.Zero(t, im.Width()+im.Height()+im.Channels())
		require.ErrorIs(t, Halve(im), ErrClosed)
		require.ErrorIs(t, Paint(im, open, 0, 0, 0), ErrClosed)
		require.ErrorIs(t, Paint(open, im, 0, 0, 0), ErrClosed)
		_, err := Encode(im, ".png")
		require.ErrorIs(t, err, ErrClosed)
		for _, call := range calls(im) {
			_, err := call()
			require.ErrorIs(t, err, ErrClosed)
		}
		_, err = Mix(open, 1, im, 1)
		require.ErrorIs(t, err, ErrClosed)
	}
	buf, err := Encode(open, ".png")
	require.NoError(t, err)
	require.NoError(t, buf.Close())
	require.NoError(t, buf.Close())
	require.Nil(t, buf.Bytes())
}

// calls are all functions from picture to picture.
func calls(im *Image) []func() (*Image, error) {
	return []func() (*Image, error){
		func() (*Image, error) { return Gray(im) },
		func() (*Image, error) { return BoxBlur(im, 3) },
		func() (*Image, error) { return GaussianBlur(im, 1) },
		func() (*Image, error) { return Canny(im, 10, 30, 5) },
		func() (*Image, error) { return Threshold(im, 1) },
		func() (*Image, error) { return Otsu(im) },
		func() (*Image, error) { return Resize(im, 1, 1) },
		func() (*Image, error) { return Rotate(im, 1) },
		func() (*Image, error) { return Mix(im, 1, im, 1) },
		func() (*Image, error) { return Denoise(im, 3, 7) },
	}
}

func TestFilter_ExceptionsComeBackAsErrorsAndLeakNothing(t *testing.T) {
	colour := decoded(t, picture(t, 30, 20))
	small := decoded(t, picture(t, 3, 2))
	gray, err := Gray(colour)
	require.NoError(t, err)
	defer gray.Close()
	before := Live()
	for name, call := range map[string]func() (*Image, error){
		"gray of gray":         func() (*Image, error) { return Gray(gray) },
		"blur of nothing":      func() (*Image, error) { return BoxBlur(colour, 0) },
		"blur of less":         func() (*Image, error) { return BoxBlur(colour, -3) },
		"canny's aperture":     func() (*Image, error) { return Canny(gray, 10, 30, 4) },
		"otsu of colour":       func() (*Image, error) { return Otsu(colour) },
		"resize to nothing":    func() (*Image, error) { return Resize(colour, 0, 0) },
		"resize to less":       func() (*Image, error) { return Resize(colour, -5, 5) },
		"mix of two sizes":     func() (*Image, error) { return Mix(colour, 1, small, 1) },
		"denoise of gray":      func() (*Image, error) { return Denoise(gray, 3, 7) },
		"a mask too small":     func() (*Image, error) { return nil, Paint(colour, small, 0, 0, 0) },
		"an unknown extension": func() (*Image, error) { _, err := Encode(colour, ".xyz"); return nil, err },
	} {
		im, err := call()
		var thrown *Error
		require.ErrorAs(t, err, &thrown, name)
		require.NotEmpty(t, thrown.Text, name)
		require.Nil(t, im, name)
	}
	require.Equal(t, before, Live())
}

func TestFilter_EachMakesANewImageOfItsOwn(t *testing.T) {
	gray, err := Gray(decoded(t, picture(t, 30, 20)))
	require.NoError(t, err)
	defer gray.Close()
	before := Live()
	for n, call := range calls(gray)[1:9] {
		im, err := call()
		require.NoError(t, err, n)
		require.Positive(t, im.Width())
		require.Equal(t, before+1, Live())
		require.NoError(t, im.Close())
	}
	require.Equal(t, before, Live())
}

// bmp is the head of a BMP of 24-bit colour, without the picture.
func bmp(w, h uint32) []byte {
	little := binary.LittleEndian
	head := append([]byte("BM"), make([]byte, 52)...)
	little.PutUint32(head[10:], 54)
	little.PutUint32(head[14:], 40)
	little.PutUint32(head[18:], w)
	little.PutUint32(head[22:], h)
	little.PutUint16(head[26:], 1)
	little.PutUint16(head[28:], 24)
	return head
}

// starve decodes a picture that does not fit into the memory that is allowed.
func starve() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var now uint64 // KiB
	if _, rest, ok := bytes.Cut(status, []byte("VmData:")); ok {
		_, _ = fmt.Sscan(string(rest), &now)
	}
	most := now<<10 + 150<<20
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		fmt.Println(err)
		return 1
	}
	if _, err := Decode(bmp(9000, 9000)); !errors.Is(err, ErrMemory) {
		fmt.Println("want ErrMemory, got", err)
		return 1
	}
	return 0
}

func TestDecode_WithoutMemoryIsAnErrorNotADeath(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OPENCV_TEST_STARVE=yes")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestDecode_OpenCVsOwnLimitIsTold(t *testing.T) {
	_, err := Decode(bmp(1<<21, 1))
	require.ErrorIs(t, err, ErrTooLarge)
}

// Whatever the bytes, decoding returns, and gives colour or an error.
func FuzzDecode(f *testing.F) {
	im := decoded(f, picture(f, 8, 6))
	for _, ext := range []string{".png", ".jpg", ".bmp", ".webp", ".tif"} {
		data, err := Encode(im, ext)
		require.NoError(f, err)
		f.Add(bytes.Clone(data.Bytes()))
		f.Add(bytes.Clone(data.Bytes()[:len(data.Bytes())/2]))
		data.Close()
	}
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := Decode(data)
		if err != nil {
			return
		}
		defer im.Close()
		require.Positive(t, im.Width())
		require.Positive(t, im.Height())
		require.Equal(t, 3, im.Channels())
	})
}

func TestPlainEdges_WritesAPictureOrSaysWhy(t *testing.T) {
	dir := t.TempDir() + "/"
	require.NoError(t, os.WriteFile(dir+"in.png", picture(t, 30, 20), 0o644))
	require.NoError(t, PlainEdges(dir+"in.png", dir+"out.png"))
	data, err := os.ReadFile(dir + "out.png")
	require.NoError(t, err)
	require.Equal(t, 30, decoded(t, data).Width())
	require.ErrorIs(t, PlainEdges(dir+"gone.png", dir+"out.png"), ErrUndecodable)
	require.ErrorIs(t, PlainEdges(dir+"in.png", dir+"gone/out.png"), ErrUnencodable)
}

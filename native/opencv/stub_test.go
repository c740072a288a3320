//go:build !gocv_specific_modules || !gocv_photo

package opencv

import (
	"image"
	"testing"

	"github.com/stretchr/testify/require"
)

// starve is for the build with OpenCV.
func starve() int { return 0 }

func TestStub_EveryFunctionSaysWhatIsMissing(t *testing.T) {
	require.False(t, Available)
	require.Empty(t, Version())
	SetThreads(1)
	im, err := Decode([]byte("x"))
	calls := []error{err, Halve(im), Paint(im, im, 0, 255, 0), PlainEdges("in", "out")}
	im = &Image{}
	require.Zero(t, im.Width()+im.Height()+im.Channels())
	require.NoError(t, im.Close())
	require.Zero(t, Live())
	buf, err := Encode(im, ".png")
	require.Nil(t, buf.Bytes())
	require.NoError(t, buf.Close())
	require.Nil(t, im.Pixels())
	_, errMesh := Delaunay(nil)
	at := image.Pt(1, 1)
	calls = append(calls, err, errMesh, DrawPoint(im, at, 1, Colour{}), DrawLine(im, at, at, 1, Colour{}), DrawBox(im, image.Rect(0, 0, 1, 1), 1, Colour{}))
	for _, call := range []func() (*Image, error){
		func() (*Image, error) { return Gray(im) },
		func() (*Image, error) { return BoxBlur(im, 3) },
		func() (*Image, error) { return GaussianBlur(im, 1) },
		func() (*Image, error) { return Canny(im, 10, 30, 5) },
		func() (*Image, error) { return Threshold(im, 1) },
		func() (*Image, error) { return Otsu(im) },
		func() (*Image, error) { return Resize(im, 1, 1) },
		func() (*Image, error) { return Rotate(im, 1) },
		func() (*Image, error) { return Mix(im, 1, im, 1) },
		func() (*Image, error) { return Denoise(im, 3, 21) },
	} {
		got, err := call()
		require.Nil(t, got)
		require.NoError(t, got.Close())
		calls = append(calls, err)
	}
	for _, err := range calls {
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "built without")
	}
}

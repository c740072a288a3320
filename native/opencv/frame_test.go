//go:build gocv_specific_modules && gocv_photo

package opencv

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// planesOf is a frame of w × h in planes whose colours all exist.
func planesOf(w, h int) []byte {
	all := make([]byte, w*h*3/2)
	for i := range all {
		all[i] = byte(60 + i*7%120)
		if i >= w*h {
			all[i] = byte(112 + i*5%33)
		}
	}
	return all
}

func TestPlanes_ThereAndBackChangesNothing(t *testing.T) {
	for _, m := range []Matrix{BT601, BT709} {
		for _, size := range [][2]int{{2, 2}, {34, 6}, {258, 130}} {
			t.Run(fmt.Sprint(m, size), func(t *testing.T) {
				im, err := NewFrame(size[0], size[1])
				require.NoError(t, err)
				defer im.Close()
				planes := planesOf(size[0], size[1])
				require.NoError(t, im.LoadPlanes(planes, m))
				back, err := im.StorePlanes([]byte{9}, m)
				require.NoError(t, err)
				require.Equal(t, byte(9), back[0], "it appends")
				for i, want := range planes {
					require.InDelta(t, want, back[1+i], 1, "byte %d", i)
				}
			})
		}
	}
}

func TestPlanes_ColoursAreThoseOfTheStandards(t *testing.T) {
	im, err := NewFrame(2, 2)
	require.NoError(t, err)
	defer im.Close()
	for m, w := range map[Matrix][2]float64{BT601: {.299, .114}, BT709: {.2126, .0722}} {
		for _, colour := range [][3]byte{{0, 0, 0}, {255, 255, 255}, {128, 128, 128}, {255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {20, 180, 90}} {
			var pixels []byte
			for range 4 {
				pixels = append(pixels, colour[:]...)
			}
			b, g, r := float64(colour[0]), float64(colour[1]), float64(colour[2])
			luma := w[0]*r + w[1]*b + (1-w[0]-w[1])*g
			want := []float64{16 + luma*219/255, 128 + (b-luma)/(2*(1-w[1]))*224/255, 128 + (r-luma)/(2*(1-w[0]))*224/255}
			require.NoError(t, im.Load(pixels))
			planes, err := im.StorePlanes(nil, m)
			require.NoError(t, err)
			for i, at := range []int{0, 4, 5} {
				require.InDelta(t, want[i], planes[at], 0.6, "%v of %v by %v", i, colour, m)
			}
			require.NoError(t, im.LoadPlanes(planes, m))
			back, err := im.Store(nil)
			require.NoError(t, err)
			for i := range pixels {
				require.LessOrEqual(t, math.Abs(float64(pixels[i])-float64(back[i])), 2.0, "%v by %v", colour, m)
			}
		}
	}
}

func TestPlanes_OfGrayHaveNoColour(t *testing.T) {
	src := decoded(t, picture(t, 34, 20))
	gray, err := Gray(src)
	require.NoError(t, err)
	defer gray.Close()
	planes, err := gray.StorePlanes(nil, BT709)
	require.NoError(t, err)
	for i, g := range gray.Pixels() {
		require.InDelta(t, 16+float64(g)*219/255, planes[i], 0.6)
	}
	for _, c := range planes[34*20:] {
		require.Equal(t, byte(128), c)
	}
}

func TestPlanes_NeedAnEvenSizeAndAWholeFrame(t *testing.T) {
	odd, err := NewFrame(3, 2)
	require.NoError(t, err)
	require.ErrorIs(t, odd.LoadPlanes(make([]byte, 9), BT601), ErrShape)
	_, err = odd.StorePlanes(nil, BT601)
	require.ErrorIs(t, err, ErrShape)
	require.NoError(t, odd.Close())
	require.ErrorIs(t, odd.LoadPlanes(nil, BT601), ErrClosed)
	_, err = odd.StorePlanes(nil, BT601)
	require.ErrorIs(t, err, ErrClosed)
	even, err := NewFrame(4, 2)
	require.NoError(t, err)
	defer even.Close()
	require.ErrorIs(t, even.LoadPlanes(make([]byte, 11), BT601), ErrShape)
}

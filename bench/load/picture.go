package load

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
)

// Pictures makes a job's folder of n small pictures, unlike each other, and returns
// its path.
func (l *Lab) Pictures(ctx context.Context, name string, n int) (string, error) {
	return l.fill(ctx, name, n, func(i int, f *os.File) error { return png.Encode(f, drawPicture(i)) })
}

// drawPicture draws waves, of a length and a colour that depend on i.
func drawPicture(i int) image.Image {
	const wide, high = 96, 72
	picture := image.NewRGBA(image.Rect(0, 0, wide, high))
	for y := range high {
		for x := range wide {
			wave := math.Sin(float64(x*(i%17+3))/40) * math.Cos(float64(y*(i%23+5))/30)
			picture.SetRGBA(x, y, color.RGBA{R: uint8(128 + 90*wave), G: uint8(i), B: uint8(x*y + i/256), A: 255})
		}
	}
	return picture
}

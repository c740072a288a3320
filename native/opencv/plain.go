//go:build gocv_specific_modules && gocv_photo

package opencv

import (
	"fmt"
	"image"

	"gocv.io/x/gocv"
)

// PlainEdges is the assignment's filter as a loop over gocv would have it: the
// file in is read, the result is written to the file out, and nothing is checked
// or used again. It is what the benchmark measures the pool against. The three
// steps that gocv cannot do (Canny with an aperture of 5, halving without
// rounding, painting through a mask) are the shim's. Errors: ErrUndecodable,
// ErrUnencodable, *Error.
func PlainEdges(in, out string) error {
	src := gocv.IMRead(in, gocv.IMReadColor)
	defer src.Close()
	if src.Empty() {
		return fmt.Errorf("read %s: %w", in, ErrUndecodable)
	}
	gray, smooth := gocv.NewMat(), gocv.NewMat()
	defer gray.Close()
	defer smooth.Close()
	if err := gocv.CvtColor(src, &gray, gocv.ColorBGRToGray); err != nil {
		return wrap(err)
	}
	if err := gocv.Blur(gray, &smooth, image.Pt(3, 3)); err != nil {
		return wrap(err)
	}
	edges, err := Canny(&Image{m: smooth}, 10, 30, 5)
	if err != nil {
		return err
	}
	defer edges.Close()
	if err := Halve(&Image{m: src}); err != nil {
		return err
	}
	if err := Paint(&Image{m: src}, edges, 0, 255, 0); err != nil {
		return err
	}
	if !gocv.IMWrite(out, src) {
		return fmt.Errorf("write %s: %w", out, ErrUnencodable)
	}
	return nil
}

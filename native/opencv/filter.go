//go:build gocv_specific_modules && gocv_photo

package opencv

/*
#include "shim.h"
*/
import "C"

import (
	"errors"
	"image"
	"unsafe"

	"gocv.io/x/gocv"
)

// Gray makes the picture gray: one channel. Errors: ErrClosed, *Error.
func Gray(src *Image) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		return gocv.CvtColor(src.m, dst, gocv.ColorBGRToGray)
	})
}

// BoxBlur is the mean of kernel × kernel pixels. Errors: ErrClosed, *Error.
func BoxBlur(src *Image, kernel int) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		return gocv.Blur(src.m, dst, image.Pt(kernel, kernel))
	})
}

// GaussianBlur smooths with the given sigma, in pixels. Errors: ErrClosed, *Error.
func GaussianBlur(src *Image, sigma float64) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		return gocv.GaussianBlur(src.m, dst, image.Point{}, sigma, sigma, gocv.BorderDefault)
	})
}

// Canny marks the edges of a gray picture: 255 on an edge, 0 elsewhere. The
// aperture is that of the Sobel operator: 3, 5 or 7. Errors: ErrClosed, *Error.
func Canny(src *Image, low, high float64, aperture int) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		var cerr C.shim_error
		code := C.shim_canny(ptr(src.m), ptr(*dst), C.double(low), C.double(high), C.int(aperture), &cerr)
		return result(code, &cerr, nil)
	})
}

// Threshold makes a gray picture black and white: white where it is above
// level. Errors: ErrClosed, *Error.
func Threshold(src *Image, level int) (*Image, error) { return threshold(src, level, 0) }

// Otsu is Threshold with the level that parts the histogram best.
// Errors: ErrClosed, *Error.
func Otsu(src *Image) (*Image, error) { return threshold(src, 0, 1) }

func threshold(src *Image, level, otsu int) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		var cerr C.shim_error
		code := C.shim_threshold(ptr(src.m), ptr(*dst), C.double(level), C.int(otsu), &cerr)
		return result(code, &cerr, nil)
	})
}

// Halve divides every value by two, in place, and drops the fraction.
// Errors: ErrClosed, *Error.
func Halve(im *Image) error {
	if !im.ok() {
		return ErrClosed
	}
	var cerr C.shim_error
	return result(C.shim_halve(ptr(im.m), &cerr), &cerr, nil)
}

// Paint sets the pixels of im, in place, to a colour wherever mask, a gray
// picture of the same size, is not 0. Errors: ErrClosed, *Error.
func Paint(im, mask *Image, blue, green, red uint8) error {
	if !im.ok() || !mask.ok() {
		return ErrClosed
	}
	var cerr C.shim_error
	code := C.shim_paint(ptr(im.m), ptr(mask.m), C.int(blue), C.int(green), C.int(red), &cerr)
	return result(code, &cerr, nil)
}

// Resize scales to width × height pixels: by area where both sides shrink or
// stay, else by cubic interpolation. Errors: ErrClosed, *Error.
func Resize(src *Image, width, height int) (*Image, error) {
	method := gocv.InterpolationCubic
	if width <= src.Width() && height <= src.Height() {
		method = gocv.InterpolationArea
	}
	return filter(src, func(dst *gocv.Mat) error {
		return gocv.Resize(src.m, dst, image.Pt(width, height), 0, 0, method)
	})
}

// Rotate turns clockwise by quarters of a full turn; 0 copies.
// Errors: ErrClosed, *Error.
func Rotate(src *Image, quarters int) (*Image, error) {
	return filter(src, func(dst *gocv.Mat) error {
		switch quarters & 3 {
		case 1:
			return gocv.Rotate(src.m, dst, gocv.Rotate90Clockwise)
		case 2:
			return gocv.Rotate(src.m, dst, gocv.Rotate180Clockwise)
		case 3:
			return gocv.Rotate(src.m, dst, gocv.Rotate90CounterClockwise)
		}
		return src.m.CopyTo(dst)
	})
}

// Mix is a·alpha + b·beta, rounded and held within 0 to 255. Both pictures have
// one size and kind. Errors: ErrClosed, *Error.
func Mix(a *Image, alpha float64, b *Image, beta float64) (*Image, error) {
	if !b.ok() {
		return nil, ErrClosed
	}
	return filter(a, func(dst *gocv.Mat) error {
		return gocv.AddWeighted(a.m, alpha, b.m, beta, 0, dst)
	})
}

// Denoise removes noise from a BGR picture by non-local means, with patches of
// 7 pixels looked for within search pixels. Errors: ErrClosed, *Error.
func Denoise(src *Image, strength float64, search int) (*Image, error) {
	const patch = 7
	return filter(src, func(dst *gocv.Mat) error {
		h := float32(strength)
		return gocv.FastNlMeansDenoisingColoredWithParams(src.m, dst, h, h, patch, search)
	})
}

// filter gives run a new image to fill.
func filter(src *Image, run func(dst *gocv.Mat) error) (*Image, error) {
	if !src.ok() {
		return nil, ErrClosed
	}
	dst := newImage()
	if err := run(&dst.m); err != nil {
		dst.Close()
		return nil, wrap(err)
	}
	return dst, nil
}

// wrap makes gocv's errors, which are text, ours.
func wrap(err error) error {
	if errors.As(err, new(*Error)) {
		return err
	}
	return &Error{Text: err.Error()}
}

// ptr is the cv::Mat* of a Mat.
func ptr(m gocv.Mat) unsafe.Pointer { return unsafe.Pointer(m.Ptr()) }

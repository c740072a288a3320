//go:build gocv_specific_modules && gocv_photo

package opencv

// #include "shim.h"
import "C"

import (
	"errors"
	"image"
	"image/color"

	"gocv.io/x/gocv"
)

// DrawPoint draws a filled circle, with its centre at a point and its radius in
// pixels, in place. What lies beyond the picture is left out.
// Errors: ErrClosed, ErrGeometry, *Error.
func DrawPoint(im *Image, at image.Point, radius int, c Colour) error {
	const filled = -1
	return draw(im, radius, func() error { return gocv.Circle(&im.m, at, radius, c.rgba(), filled) }, at)
}

// DrawLine draws a line of a width in pixels, in place. What lies beyond the
// picture is left out. Errors: ErrClosed, ErrGeometry, *Error.
func DrawLine(im *Image, from, to image.Point, width int, c Colour) error {
	return draw(im, width, func() error { return gocv.Line(&im.m, from, to, c.rgba(), width) }, from, to)
}

// DrawBox draws the border of a box, in lines of a width in pixels, in place. What
// lies beyond the picture is left out. Errors: ErrClosed, ErrGeometry, *Error.
func DrawBox(im *Image, box image.Rectangle, width int, c Colour) error {
	corners := image.Rectangle{Min: box.Min, Max: box.Max.Sub(image.Pt(1, 1))} // gocv paints Max, too
	return draw(im, width, func() error {
		return gocv.RectangleWithParams(&im.m, corners, c.rgba(), width, gocv.Line8, 0)
	}, box.Min, box.Max)
}

// draw checks what is drawn with, and then draws.
func draw(im *Image, length int, run func() error, places ...image.Point) error {
	if !im.ok() {
		return ErrClosed
	}
	if err := errors.Join(checkPlaces(places...), checkLength(length)); err != nil {
		return err
	}
	if err := run(); err != nil {
		return wrap(err)
	}
	return nil
}

func (c Colour) rgba() color.RGBA { return color.RGBA{c.Red, c.Green, c.Blue, 255} }

// Delaunay joins points to triangles, given as numbers of points, such that no
// point lies within the circle through the corners of any triangle (B. Delaunay,
// "Sur la sphère vide", 1934). Points that come twice count once, under their first
// number. Fewer than three, or all on one line, make none.
//
// It works in single precision: of points closer than about 1e-7 of their extent,
// or all nearly on one line, a triangle at the border may be missing.
// Errors: ErrGeometry, *Error.
func Delaunay(points []image.Point) ([][3]int, error) {
	if len(points) < 3 {
		return nil, nil
	}
	if err := checkPlaces(points...); err != nil {
		return nil, err
	}
	var around image.Rectangle
	for _, p := range points {
		around = around.Union(image.Rectangle{Min: p, Max: p.Add(image.Pt(1, 1))})
	}
	xy := make([]C.float, 0, 2*len(points))
	for _, p := range points {
		xy = append(xy, C.float(p.X-around.Min.X), C.float(p.Y-around.Min.Y))
	}
	most := 2 * len(points) // Euler: 2n - 2 - hull
	raw := make([]C.int, 3*most)
	var found C.int
	var cerr C.shim_error
	code := C.shim_delaunay(&xy[0], C.int(len(points)), C.int(around.Dx()), C.int(around.Dy()),
		C.int(padding(around.Dx()+around.Dy())), &raw[0], C.int(most), &found, &cerr)
	if err := result(code, &cerr, nil); err != nil {
		return nil, err
	}
	triangles := make([][3]int, int(found))
	for i := range triangles {
		triangles[i] = [3]int{int(raw[3*i]), int(raw[3*i+1]), int(raw[3*i+2])}
	}
	return triangles, nil
}

//go:build dlib && cgo

package dlib

/*
#cgo CXXFLAGS: -std=c++14 -O3 -DNDEBUG
#cgo LDFLAGS: -ldlib -lblas -llapack
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"image"
	"unsafe"
)

// Available tells whether this build can call dlib.
const Available = true

// Instructions names the vector instructions that the C++ was compiled for:
// "baseline" is what every processor of this kind has, "avx2+fma" is the tag
// dlib_avx2; "" in a build without dlib.
func Instructions() string { return C.GoString(C.face_instructions()) }

// Predictor finds the points of a face. It is never changed: any number of
// goroutines may use it at once, until it is closed.
type Predictor struct {
	p unsafe.Pointer
}

// Open reads a predictor of 68 points, about 95 MB in half a second. Close it.
// Errors: ErrProcessor; ErrModel for a file that is missing, cut off or of another
// kind; ErrMemory; *Error.
func Open(path string) (*Predictor, error) {
	if !able() {
		return nil, ErrProcessor
	}
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var p Predictor
	var cerr C.face_error
	if err := result(C.face_open_predictor(cpath, &p.p, &cerr), &cerr); err != nil {
		return nil, err
	}
	if n := int(C.face_predictor_points(p.p)); n != Points {
		C.face_close_predictor(p.p)
		return nil, fmt.Errorf("%w: it has %d", ErrModel, n)
	}
	live.Add(1)
	return &p, nil
}

// Close frees the model. Closing twice is no error.
func (p *Predictor) Close() error {
	if p != nil && p.p != nil {
		C.face_close_predictor(p.p)
		p.p = nil
		live.Add(-1)
	}
	return nil
}

// Landmarks finds the points of the face in box. They may lie beyond the
// picture's border. Errors: ErrClosed, ErrPicture, *Error.
func (p *Predictor) Landmarks(picture Picture, box image.Rectangle) ([Points]image.Point, error) {
	var points [Points]image.Point
	if p == nil || p.p == nil {
		return points, ErrClosed
	}
	if err := picture.check(); err != nil {
		return points, err
	}
	if err := checkBox(box); err != nil {
		return points, err
	}
	at := C.face_box{left: C.int(box.Min.X), top: C.int(box.Min.Y), width: C.int(box.Dx()), height: C.int(box.Dy())}
	var raw [Points]C.face_point
	var cerr C.face_error
	code := C.face_landmarks(p.p, (*C.uchar)(unsafe.SliceData(picture.Pixels)), C.int(picture.Width), C.int(picture.Height),
		C.int(picture.Channels), &at, &raw[0], &cerr)
	if err := result(code, &cerr); err != nil {
		return points, err
	}
	for i, r := range raw {
		points[i] = image.Pt(int(r.x), int(r.y))
	}
	return points, nil
}

// Detector finds faces. One goroutine at a time may use it; any number of
// detectors work side by side.
type Detector struct {
	d unsafe.Pointer
}

// NewDetector makes a detector; its model is part of dlib. Close it.
// Errors: ErrProcessor, ErrMemory, *Error.
func NewDetector() (*Detector, error) {
	if !able() {
		return nil, ErrProcessor
	}
	var d Detector
	var cerr C.face_error
	if err := result(C.face_new_detector(&d.d, &cerr), &cerr); err != nil {
		return nil, err
	}
	live.Add(1)
	return &d, nil
}

// Close frees the detector. Closing twice is no error.
func (d *Detector) Close() error {
	if d != nil && d.d != nil {
		C.face_close_detector(d.d)
		d.d = nil
		live.Add(-1)
	}
	return nil
}

// Detect finds the faces of a picture, the one with the highest score first.
// Errors: ErrClosed, ErrPicture, ErrMemory, *Error.
func (d *Detector) Detect(picture Picture, search Search) ([]Face, error) {
	if d == nil || d.d == nil {
		return nil, ErrClosed
	}
	if err := picture.check(); err != nil {
		return nil, err
	}
	search, err := search.check()
	if err != nil {
		return nil, err
	}
	boxes := make([]C.face_box, search.Most)
	var found C.int
	var cerr C.face_error
	code := C.face_detect(d.d, (*C.uchar)(unsafe.SliceData(picture.Pixels)), C.int(picture.Width), C.int(picture.Height),
		C.int(picture.Channels), C.int(search.Upsample), C.double(search.Threshold), C.int(search.Most), &boxes[0], &found, &cerr)
	if err := result(code, &cerr); err != nil {
		return nil, err
	}
	faces := make([]Face, int(found))
	for i := range faces {
		b := boxes[i]
		at := image.Pt(int(b.left), int(b.top))
		faces[i] = Face{Box: image.Rectangle{Min: at, Max: at.Add(image.Pt(int(b.width), int(b.height)))}, Score: float64(b.score)}
	}
	return faces, nil
}

// result turns the shim's answer into an error.
func result(code C.int, cerr *C.face_error) error {
	if code == C.FACE_OK {
		return nil
	}
	return &Error{Code: int(cerr.code), Text: C.GoString(&cerr.text[0])}
}

//go:build gocv_specific_modules && gocv_photo

package opencv

/*
#cgo pkg-config: opencv4
#cgo CXXFLAGS: -std=c++14 -O3 -DNDEBUG
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"unsafe"

	"gocv.io/x/gocv"
)

// Available tells whether this build can call OpenCV.
const Available = true

// Version is OpenCV's, as in "4.6.0"; "" in a build without it.
func Version() string { return gocv.OpenCVVersion() }

// SetThreads is how many threads one call may use inside OpenCV, for the whole
// process; 1 suits a caller that works on several pictures at once.
func SetThreads(n int) { gocv.SetNumThreads(n) }

// Image is a picture in native memory: 8-bit BGR, or 8-bit gray where a
// function says so. Not for concurrent use.
type Image struct {
	m gocv.Mat
}

// newImage makes an empty image to fill.
func newImage() *Image {
	live.Add(1)
	return &Image{m: gocv.NewMat()}
}

// Decode reads a picture file's bytes: 8-bit BGR, turned upright by its EXIF
// orientation. Close the image. Errors: ErrUndecodable, *Error (a picture
// beyond OpenCV's limits, or no memory).
func Decode(data []byte) (*Image, error) {
	if len(data) == 0 {
		return nil, ErrUndecodable
	}
	im := newImage()
	var cerr C.shim_error
	code := C.shim_decode(unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), ptr(im.m), &cerr)
	if err := result(code, &cerr, ErrUndecodable); err != nil {
		im.Close()
		return nil, err
	}
	return im, nil
}

// Close frees the picture. Closing twice is no error.
func (im *Image) Close() error {
	if im == nil || im.m.Closed() {
		return nil
	}
	live.Add(-1)
	return im.m.Close()
}

// Width is in pixels, 0 for a closed image.
func (im *Image) Width() int {
	if !im.ok() {
		return 0
	}
	return im.m.Cols()
}

// Height is in pixels, 0 for a closed image.
func (im *Image) Height() int {
	if !im.ok() {
		return 0
	}
	return im.m.Rows()
}

// Channels is 3 for BGR, 1 for gray, 0 for a closed image.
func (im *Image) Channels() int {
	if !im.ok() {
		return 0
	}
	return im.m.Channels()
}

// Pixels is the native memory itself, row by row without a gap: it must not be used
// after Close. It is nil for a closed image.
func (im *Image) Pixels() []byte {
	if !im.ok() {
		return nil
	}
	data, err := im.m.DataPtrUint8()
	if err != nil { // rows with gaps, which no function here makes
		return nil
	}
	return data
}

func (im *Image) ok() bool { return im != nil && !im.m.Closed() && !im.m.Empty() }

// Buffer is an encoded picture in native memory. Not for concurrent use.
type Buffer struct {
	p unsafe.Pointer
}

// Encode makes a file's bytes of im, in the format that the extension names:
// ".jpg", ".png". Close the buffer. Errors: ErrUnencodable, ErrClosed, *Error.
func Encode(im *Image, ext string) (*Buffer, error) {
	if !im.ok() {
		return nil, ErrClosed
	}
	cext := C.CString(ext)
	defer C.free(unsafe.Pointer(cext))
	var cerr C.shim_error
	var p unsafe.Pointer
	code := C.shim_encode(cext, ptr(im.m), &p, &cerr)
	if err := result(code, &cerr, ErrUnencodable); err != nil {
		return nil, err
	}
	live.Add(1)
	return &Buffer{p: p}, nil
}

// Bytes is the native memory itself: it must not be used after Close.
func (b *Buffer) Bytes() []byte {
	if b == nil || b.p == nil {
		return nil
	}
	var size C.size_t
	data := C.shim_bytes(b.p, &size)
	return unsafe.Slice((*byte)(unsafe.Pointer(data)), int(size))
}

// Close frees the bytes. Closing twice is no error.
func (b *Buffer) Close() error {
	if b != nil && b.p != nil {
		C.shim_free_bytes(b.p)
		b.p = nil
		live.Add(-1)
	}
	return nil
}

// result turns the shim's answer into an error; refused is what a picture that
// was turned away, without an exception, means.
func result(code C.int, cerr *C.shim_error, refused error) error {
	switch code {
	case C.SHIM_OK:
		return nil
	case C.SHIM_REFUSED:
		return refused
	}
	return &Error{Code: int(cerr.code), Text: C.GoString(&cerr.text[0])}
}

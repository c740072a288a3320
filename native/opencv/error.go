package opencv

import (
	"errors"
	"strings"
	"sync/atomic"
)

var (
	// ErrUnavailable is returned by every function of a build without OpenCV.
	ErrUnavailable = errors.New("this program was built without OpenCV")
	// ErrClosed is returned for an Image that was closed.
	ErrClosed = errors.New("the image is closed")
	// ErrUndecodable is returned for bytes that hold no picture that OpenCV can read.
	ErrUndecodable = errors.New("the picture cannot be decoded")
	// ErrUnencodable is returned for a picture that the format cannot hold.
	ErrUnencodable = errors.New("the picture cannot be encoded in this format")
	// ErrGeometry is wrapped by the error of points and lengths that make no sense.
	ErrGeometry = errors.New("not a place in a picture")
	// ErrShape is returned for a picture whose size or kind of pixels is another than
	// what is asked for.
	ErrShape = errors.New("the picture has another size or other pixels")
	// ErrTooLarge is wrapped by the error of a picture beyond OpenCV's own limits,
	// such as OPENCV_IO_MAX_IMAGE_PIXELS.
	ErrTooLarge = errors.New("the picture has too many pixels")
	// ErrMemory is wrapped by every error that tells of memory that could not be had.
	ErrMemory = errors.New("out of memory")
)

// noMemory is OpenCV's code StsNoMem; gocv passes on the text alone.
const noMemory = -4

// Error is an exception that OpenCV or C++ threw.
type Error struct {
	// Code is OpenCV's own; 0 for a C++ exception that is not OpenCV's.
	Code int
	// Text is what it says.
	Text string
}

// Error gives the text.
func (e *Error) Error() string { return "OpenCV: " + e.Text }

// Is answers errors.Is for ErrMemory and ErrTooLarge.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrMemory:
		return e.Code == noMemory || strings.Contains(e.Text, "Insufficient memory") || strings.Contains(e.Text, "bad_alloc")
	case ErrTooLarge:
		return strings.Contains(e.Text, "CV_IO_MAX_IMAGE_")
	}
	return false
}

// live counts the open handles of the process.
var live atomic.Int64

// Live is the number of native handles, images and buffers, that are not
// closed. It is zero when everything was given back.
func Live() int64 { return live.Load() }

// fits bounds the size of a picture that is made here and not decoded.
func fits(width, height int) bool {
	return width >= 1 && height >= 1 && width <= MaxJPEGSide && height <= MaxJPEGSide && int64(width)*int64(height) <= 100_000_000
}

// Sizes of the picture formats, in pixels a side.
const (
	MaxJPEGSide = 65500
	MaxWebPSide = 16383
)

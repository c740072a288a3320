//go:build !gocv_specific_modules || !gocv_photo

package opencv

import "image"

// Available tells whether this build can call OpenCV.
const Available = false

// Version is OpenCV's, as in "4.6.0"; "" in a build without it.
func Version() string { return "" }

// SetThreads does nothing in this build.
func SetThreads(n int) {}

// Image stands for a picture; in this build it never holds one.
type Image struct{}

// Decode returns ErrUnavailable.
func Decode(data []byte) (*Image, error) { return nil, ErrUnavailable }

// Close does nothing.
func (im *Image) Close() error { return nil }

// Width is 0.
func (im *Image) Width() int { return 0 }

// Height is 0.
func (im *Image) Height() int { return 0 }

// Channels is 0.
func (im *Image) Channels() int { return 0 }

// Pixels is nil.
func (im *Image) Pixels() []byte { return nil }

// Buffer stands for an encoded picture; in this build there is none.
type Buffer struct{}

// Encode returns ErrUnavailable.
func Encode(im *Image, ext string) (*Buffer, error) { return nil, ErrUnavailable }

// Bytes is nil.
func (b *Buffer) Bytes() []byte { return nil }

// Close does nothing.
func (b *Buffer) Close() error { return nil }

// Gray returns ErrUnavailable.
func Gray(src *Image) (*Image, error) { return nil, ErrUnavailable }

// BoxBlur returns ErrUnavailable.
func BoxBlur(src *Image, kernel int) (*Image, error) { return nil, ErrUnavailable }

// GaussianBlur returns ErrUnavailable.
func GaussianBlur(src *Image, sigma float64) (*Image, error) { return nil, ErrUnavailable }

// Canny returns ErrUnavailable.
func Canny(src *Image, low, high float64, aperture int) (*Image, error) { return nil, ErrUnavailable }

// Threshold returns ErrUnavailable.
func Threshold(src *Image, level int) (*Image, error) { return nil, ErrUnavailable }

// Otsu returns ErrUnavailable.
func Otsu(src *Image) (*Image, error) { return nil, ErrUnavailable }

// Halve returns ErrUnavailable.
func Halve(im *Image) error { return ErrUnavailable }

// Paint returns ErrUnavailable.
func Paint(im, mask *Image, blue, green, red uint8) error { return ErrUnavailable }

// Resize returns ErrUnavailable.
func Resize(src *Image, width, height int) (*Image, error) { return nil, ErrUnavailable }

// Rotate returns ErrUnavailable.
func Rotate(src *Image, quarters int) (*Image, error) { return nil, ErrUnavailable }

// Mix returns ErrUnavailable.
func Mix(a *Image, alpha float64, b *Image, beta float64) (*Image, error) { return nil, ErrUnavailable }

// Denoise returns ErrUnavailable.
func Denoise(src *Image, strength float64, search int) (*Image, error) { return nil, ErrUnavailable }

// Delaunay returns ErrUnavailable.
func Delaunay(points []image.Point) ([][3]int, error) { return nil, ErrUnavailable }

// DrawPoint returns ErrUnavailable.
func DrawPoint(im *Image, at image.Point, radius int, c Colour) error { return ErrUnavailable }

// DrawLine returns ErrUnavailable.
func DrawLine(im *Image, from, to image.Point, width int, c Colour) error { return ErrUnavailable }

// DrawBox returns ErrUnavailable.
func DrawBox(im *Image, box image.Rectangle, width int, c Colour) error { return ErrUnavailable }

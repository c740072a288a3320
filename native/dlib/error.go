package dlib

import (
	"errors"
	"fmt"
	"image"
	"sync/atomic"
)

// Points is the number of points on a face: the jaw 0–16, brows 17–26, nose 27–35,
// eyes 36–47 and mouth 48–67, each from the left of the picture to the right.
const Points = 68

// MaxUpsample bounds how often a picture may be doubled.
const MaxUpsample = 3

var (
	// ErrUnavailable is returned by every function of a build without dlib.
	ErrUnavailable = errors.New("this program was built without dlib")
	// ErrProcessor is returned where the program was built for a processor that
	// this one is not.
	ErrProcessor = errors.New("this program was built for processors with AVX2 and FMA: build it without the tag dlib_avx2")
	// ErrClosed is returned for a Predictor or Detector that was closed.
	ErrClosed = errors.New("the predictor or detector is closed")
	// ErrModel is wrapped by the error of a file that holds no predictor of 68
	// points.
	ErrModel = errors.New("not a model of 68 points")
	// ErrMemory is wrapped by every error that tells of memory that could not be had.
	ErrMemory = errors.New("out of memory")
	// ErrPicture is wrapped by the error of a Picture, a box or a number that makes
	// no sense.
	ErrPicture = errors.New("not a picture that dlib can take")
)

// The codes of the shim.
const (
	codeMemory = 1
	codeModel  = 2
)

// Error is an exception that dlib or C++ threw.
type Error struct {
	// Code is 1 for want of memory, 2 for a file that is not a model, 0 for others.
	Code int
	// Text is what it says.
	Text string
}

// Error gives the text.
func (e *Error) Error() string { return "dlib: " + e.Text }

// Is answers errors.Is for ErrMemory and ErrModel.
func (e *Error) Is(target error) bool {
	return target == ErrMemory && e.Code == codeMemory || target == ErrModel && e.Code == codeModel
}

// Picture is a view on pixels that the caller owns: 8-bit rows without a gap, gray
// (1 channel) or BGR (3).
type Picture struct {
	Pixels                  []byte
	Width, Height, Channels int
}

// check reports what is wrong with p. Errors: ErrPicture.
func (p Picture) check() error {
	const most = 1 << 20 // a side
	switch {
	case p.Width < 1 || p.Height < 1 || p.Width > most || p.Height > most || p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("%w: %d × %d pixels of %d channels", ErrPicture, p.Width, p.Height, p.Channels)
	case len(p.Pixels) != p.Width*p.Height*p.Channels:
		return fmt.Errorf("%w: %d bytes for %d × %d pixels of %d channels", ErrPicture, len(p.Pixels), p.Width, p.Height, p.Channels)
	}
	return nil
}

// checkBox reports a box that is empty, or so far out that sums would overflow.
// Errors: ErrPicture.
func checkBox(box image.Rectangle) error {
	const far = 1 << 24
	if box.Dx() < 1 || box.Dy() < 1 || !box.In(image.Rect(-far, -far, far, far)) {
		return fmt.Errorf("%w: the box %v", ErrPicture, box)
	}
	return nil
}

// Face is a place where the detector saw one.
type Face struct {
	// Box is in pixels of the picture; it may reach over the picture's border.
	Box image.Rectangle
	// Score is the distance from what is just no face: higher is surer.
	Score float64
}

// Search says what counts as a face. The zero Search is dlib's own.
type Search struct {
	// Threshold is added to what a face must score: below 0 more is found, above it
	// less.
	Threshold float64
	// Upsample is how often the picture is doubled before, from 0 to [MaxUpsample]:
	// each time faces of half the size are found, in four times the time and memory.
	Upsample int
	// Most is how many faces are returned; 0: 256.
	Most int
}

// defaultMost is how many faces are returned where nobody says.
const defaultMost = 256

// check fills in the default. Errors: ErrPicture.
func (s Search) check() (Search, error) {
	if s.Most == 0 {
		s.Most = defaultMost
	}
	if s.Upsample < 0 || s.Upsample > MaxUpsample || s.Most < 0 || s.Most > 1<<16 || s.Threshold != s.Threshold {
		return s, fmt.Errorf("%w: %+v", ErrPicture, s)
	}
	return s, nil
}

// live counts the open handles of the process.
var live atomic.Int64

// Live is the number of predictors and detectors that are not closed. It is zero
// when everything was given back.
func Live() int64 { return live.Load() }

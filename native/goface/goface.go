//go:build goface && cgo

package goface

/*
#cgo CFLAGS: -O2 -march=native

// What go-face's own C++ is compiled for, as bits: it has the same -march=native.
static int needs(void) {
  int bits = 0;
#ifdef __AVX__
  bits |= 1;
#endif
#ifdef __AVX2__
  bits |= 2;
#endif
#ifdef __FMA__
  bits |= 4;
#endif
#ifdef __AVX512F__
  bits |= 8;
#endif
#ifdef __AVX512VL__
  bits |= 16;
#endif
#ifdef __AVX512BW__
  bits |= 32;
#endif
#ifdef __AVX512DQ__
  bits |= 64;
#endif
#ifdef __BMI2__
  bits |= 128;
#endif
  return bits;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"math"
	"sync"

	face "github.com/Kagami/go-face"
	"golang.org/x/sys/cpu"
)

// Available tells whether this build can call go-face.
const Available = true

// Recognizer finds and describes faces. Any number of goroutines may use it, one after
// another: go-face locks.
type Recognizer struct {
	mu  sync.Mutex // go-face's own Close does not wait for calls
	rec *face.Recognizer
}

// Open loads the models of [Files] from a folder, in a second or less. Close the
// recognizer. Errors: ErrProcessor; ErrModel for files that are missing, cut off or of
// another kind; others of go-face, such as want of memory.
func Open(dir string) (*Recognizer, error) {
	if lacks(int(C.needs())) {
		return nil, ErrProcessor
	}
	rec, err := face.NewRecognizer(dir)
	if err != nil {
		return nil, explain(err)
	}
	live.Add(1)
	return &Recognizer{rec: rec}, nil
}

// lacks tells whether this processor lacks one of the needs.
func lacks(needs int) bool {
	x := cpu.X86
	for bit, has := range []bool{x.HasAVX, x.HasAVX2, x.HasFMA, x.HasAVX512F, x.HasAVX512VL, x.HasAVX512BW, x.HasAVX512DQ, x.HasBMI2} {
		if needs&(1<<bit) != 0 && !has {
			return true
		}
	}
	return false
}

// Close frees the models. Closing twice is no error.
func (r *Recognizer) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rec != nil {
		r.rec.Close()
		r.rec = nil
		live.Add(-1)
	}
	return nil
}

// Recognize finds the faces of a picture, the bytes of a JPEG file of three colours, and
// describes each. They come from left to right, and from top to bottom where they begin
// at one column. Errors: ErrClosed, ErrPicture, ErrModel (a descriptor that has no finite
// numbers), others of go-face.
func (r *Recognizer) Recognize(picture []byte) ([]Face, error) {
	if r == nil {
		return nil, ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rec == nil {
		return nil, ErrClosed
	}
	found, err := r.rec.Recognize(picture)
	if err != nil {
		return nil, explain(err)
	}
	faces := make([]Face, len(found))
	for i, f := range found {
		// Right and bottom are the last pixels within.
		faces[i] = Face{Box: image.Rectangle{Min: f.Rectangle.Min, Max: f.Rectangle.Max.Add(image.Pt(1, 1))}, Descriptor: Descriptor(f.Descriptor)}
		if !finite(f.Descriptor) {
			return nil, fmt.Errorf("%w: they give a face numbers that are none", ErrModel)
		}
	}
	return faces, nil
}

func finite(d face.Descriptor) bool {
	var sum float64
	for _, x := range d {
		sum += math.Abs(float64(x))
	}
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// explain makes go-face's kinds of errors ours.
func explain(err error) error {
	if wrong, ok := errors.AsType[face.SerializationError](err); ok {
		return fmt.Errorf("%w: %s", ErrModel, string(wrong))
	}
	if wrong, ok := errors.AsType[face.ImageLoadError](err); ok {
		return fmt.Errorf("%w: %s", ErrPicture, string(wrong))
	}
	return fmt.Errorf("go-face: %w", err)
}

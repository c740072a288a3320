//go:build !goface || !cgo

package goface

// Available tells whether this build can call go-face.
const Available = false

// Recognizer stands for a recognizer; in this build there is none.
type Recognizer struct{}

// Open returns ErrUnavailable.
func Open(dir string) (*Recognizer, error) { return nil, ErrUnavailable }

// Close does nothing.
func (r *Recognizer) Close() error { return nil }

// Recognize returns ErrUnavailable.
func (r *Recognizer) Recognize(picture []byte) ([]Face, error) { return nil, ErrUnavailable }

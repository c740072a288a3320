//go:build !dlib || !cgo

package dlib

import "image"

// Available tells whether this build can call dlib.
const Available = false

// Instructions is "" in this build.
func Instructions() string { return "" }

// Predictor stands for a predictor; in this build there is none.
type Predictor struct{}

// Open returns ErrUnavailable.
func Open(path string) (*Predictor, error) { return nil, ErrUnavailable }

// Close does nothing.
func (p *Predictor) Close() error { return nil }

// Landmarks returns ErrUnavailable.
func (p *Predictor) Landmarks(picture Picture, box image.Rectangle) ([Points]image.Point, error) {
	return [Points]image.Point{}, ErrUnavailable
}

// Detector stands for a detector; in this build there is none.
type Detector struct{}

// NewDetector returns ErrUnavailable.
func NewDetector() (*Detector, error) { return nil, ErrUnavailable }

// Close does nothing.
func (d *Detector) Close() error { return nil }

// Detect returns ErrUnavailable.
func (d *Detector) Detect(picture Picture, search Search) ([]Face, error) { return nil, ErrUnavailable }

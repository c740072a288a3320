package goface

import (
	"errors"
	"image"
	"sync/atomic"
)

var (
	// ErrUnavailable is returned by every function of a build without go-face.
	ErrUnavailable = errors.New("this program was built without go-face: run make build-goface")
	// ErrProcessor is returned where the program was built on another kind of processor.
	ErrProcessor = errors.New("go-face was compiled for a processor with instructions that this one lacks: run make build-goface on this machine")
	// ErrClosed is returned for a Recognizer that was closed.
	ErrClosed = errors.New("the recognizer is closed")
	// ErrModel is wrapped by the error of files that hold no such models, or ones that
	// give no numbers.
	ErrModel = errors.New("not the models of dlib")
	// ErrPicture is wrapped by the error of bytes that are no JPEG of three colours.
	ErrPicture = errors.New("not a JPEG that go-face can take")
)

// Numbers is how many a [Descriptor] has.
const Numbers = 128

// Descriptor places a face among others: the Euclidean distance between those of one
// person is below 0.6, as the network was trained.
type Descriptor [Numbers]float32

// Face is a place where the detector saw one.
type Face struct {
	// Box is in pixels of the picture; it may reach over the picture's border.
	Box image.Rectangle
	// Descriptor has finite numbers only.
	Descriptor Descriptor
}

// Files are the names of the models, all of which must lie in one folder: the predictor
// of five points (9 MB), the network of faces (22 MB), and a detector that is loaded
// (1 MB) and not used.
func Files() []string {
	return []string{"shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat", "mmod_human_face_detector.dat"}
}

// live counts the open recognizers of the process.
var live atomic.Int64

// Live is the number of recognizers that are not closed.
func Live() int64 { return live.Load() }

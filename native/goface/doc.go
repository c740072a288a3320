// Package goface is the only door to github.com/Kagami/go-face: it finds the faces of a
// picture and describes each by 128 numbers, which are near each other for pictures of
// one person.
//
// Faces are found by dlib's detector over histograms of oriented gradients, as in
// package dlib. Five points turn each upright (V. Kazemi and J. Sullivan, "One
// Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR 2014), and a
// residual network of 29 convolutions (K. He et al., "Deep Residual Learning for Image
// Recognition", CVPR 2016; trained by D. King for dlib, 2017) maps its 150 × 150 pixels
// to a [Descriptor].
//
// It is built in two ways with one exported API. With the build tag goface it calls
// go-face. Without it, or without cgo, [Available] is false and every function that
// would call it returns [ErrUnavailable].
//
// # Processors
//
// go-face has its C++ compiled for the very processor that compiles it. On one that
// lacks any of its instructions [Open] returns [ErrProcessor], and does not die.
//
// # Models
//
// The files of [Files] are dlib's and come with neither go-face nor Debian. The program
// random/models.cpp makes ones with random weights, for tests.
//
// Every [Recognizer] must be closed; [Live] counts those that are not. C++ exceptions
// come back as errors.
package goface

// Package dlib is the only door to dlib: its detector of frontal faces and its
// predictor of 68 points on each.
//
// The detector slides a classifier over histograms of oriented gradients (N.
// Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection",
// CVPR 2005; D. King, "Max-Margin Object Detection", 2015): a place is a face
// where w·φ(x) - b is above a threshold, in any of the sizes of a pyramid. It
// sees upright faces from in front, of 80 pixels or more. The predictor is a
// cascade of regression trees (V. Kazemi and J. Sullivan, "One Millisecond Face
// Alignment with an Ensemble of Regression Trees", CVPR 2014): a mean shape S is
// moved by S ← S + r(I, S), step by step, where r looks at differences of pixels.
//
// It is built in two ways with one exported API. With the build tag dlib it calls
// dlib. Without it, or without cgo, [Available] is false and every function that
// would call it returns [ErrUnavailable].
//
// # Processors
//
// The C++ is compiled for every processor of its kind, so that one program runs
// on old nodes and on new ones, and gives the same points on all. The tag
// dlib_avx2, beside dlib, compiles it for AVX2 and FMA, which is faster; FMA
// rounds otherwise, so that all nodes should be built alike. Such a program wants
// such a processor: without one [Open] and [NewDetector] return [ErrProcessor].
//
// Every [Predictor] and [Detector] must be closed; [Live] counts those that are
// not. C++ exceptions come back as [*Error].
package dlib

// Package opencv is the only door to OpenCV: pictures that live in native
// memory, and flat functions over them.
//
// It is built in two ways with one exported API. With the build tags
// gocv_specific_modules and gocv_photo it calls OpenCV, through gocv where gocv
// reports every failure and through a small C++ shim elsewhere. Without them
// [Available] is false and every function that would touch a picture returns
// [ErrUnavailable], so that the program builds and its other parts are tested
// on a machine without OpenCV.
//
// Every [Image] and [Buffer] must be closed; [Live] counts those that are not.
// A handle belongs to one goroutine at a time; different handles may be used
// concurrently. C++ exceptions come back as [*Error]. What breaks the process
// itself (a fault in a decoder, say) is not caught here: hostile pictures
// belong in a child process.
package opencv

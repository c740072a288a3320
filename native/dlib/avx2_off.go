//go:build dlib && cgo && !(dlib_avx2 && amd64)

package dlib

// able is true: the C++ was compiled for every processor of this kind.
func able() bool { return true }

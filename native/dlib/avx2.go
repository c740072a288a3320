//go:build dlib && cgo && dlib_avx2 && amd64

package dlib

// #cgo CXXFLAGS: -DSPILLWAY_AVX2
import "C"

import "golang.org/x/sys/cpu"

// able tells whether this processor has what the C++ was compiled for.
func able() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

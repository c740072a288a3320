//go:build dlib

package test

// faceTags are the build tags of programs that find faces.
const faceTags = ",dlib"

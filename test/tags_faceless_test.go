//go:build !dlib

package test

// faceTags are empty where dlib is not there.
const faceTags = ""

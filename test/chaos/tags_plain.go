//go:build !gocv_specific_modules

package main

// buildTags of the programs under test where OpenCV is not there.
const buildTags = ""

// haveOpenCV tells that the nodes can work on pictures.
const haveOpenCV = false

//go:build !gocv_specific_modules

package test

// buildTags of the programs under test where OpenCV is not there.
const buildTags = "faults" + faceTags + identityTags

// haveOpenCV tells that the nodes can work on pictures.
const haveOpenCV = false

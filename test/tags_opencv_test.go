//go:build gocv_specific_modules

package test

// buildTags of the programs under test: as the Makefile's, and the test operations.
const buildTags = "gocv_specific_modules,gocv_photo,faults" + faceTags + identityTags

// haveOpenCV tells that the nodes can work on pictures.
const haveOpenCV = true

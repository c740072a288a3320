//go:build gocv_specific_modules

package main

// buildTags of the programs under test: as the Makefile's.
const buildTags = "gocv_specific_modules,gocv_photo"

// haveOpenCV tells that the nodes can work on pictures.
const haveOpenCV = true

//go:build !race

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/computenode/operation"
	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/opencv"
)

// With the race detector a child needs more.
func TestNode_TheLeastMemoryIsEnoughForAPicture(t *testing.T) {
	if opencv.Version() == "" {
		t.Skip("this build has no OpenCV; set the tags that the Makefile sets")
	}
	base := t.TempDir()
	writePictures(t, base, 2)
	batch(t, startNode(t, base, "on", "--memory", "512MiB"), base, 2)
	for _, name := range []string{"0.jpg", "1.jpg"} {
		_, err := os.Stat(filepath.Join(base, job.OutputDir, name))
		require.NoError(t, err)
	}
}

// The model of faces fits beside the picture.
func TestNode_TheLeastMemoryIsEnoughForFaces(t *testing.T) {
	if _, err := os.Stat(operation.DefaultModels); err != nil || opencv.Version() == "" || !dlib.Available {
		t.Skip("needs OpenCV, dlib and Debian's libdlib-data; set the tags that the Makefile sets")
	}
	base := t.TempDir()
	writePictures(t, base, 1)
	n := startNode(t, base, "on", "--memory", "512MiB", "--slots", "1", "--task-timeout", "5m")
	for _, op := range []string{"edges", "face_landmarks", "face_mesh", "face_landmarks"} {
		_, err := n.worker.Execute(t.Context(), job.Task{Base: base, Name: "0.jpg", Operation: job.Operation{Name: op}})
		require.NoError(t, err, op)
	}
	text, err := os.ReadFile(filepath.Join(base, job.OutputDir, "0.jpg.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"image":"0.jpg","width":816,"height":612,"faces":[]}`, string(text))
}

//go:build !race

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
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

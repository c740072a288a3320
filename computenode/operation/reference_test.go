//go:build gocv_specific_modules && gocv_photo

package operation

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// python is Debian's, which finds the package python3-opencv.
const python = "/usr/bin/python3"

// referenced are the operations held against the same steps in Python.
var referenced = []string{
	"edges",
	"grayscale",
	"blur", "blur:kernel=1", "blur:kernel=7", "blur:kernel=301",
	"resize", "resize:width=50", "resize:height=200", "resize:width=31,height=77", "resize:scale=1.7", "resize:scale=0.001",
	"rotate", "rotate:angle=180", "rotate:angle=270",
	"threshold", "threshold:level=0", "threshold:level=255", "threshold:method=otsu",
	"sharpen", "sharpen:amount=2.5,sigma=4", "sharpen:amount=0",
	"denoise:search=7", "denoise:strength=10,search=9",
}

// Every operation writes, byte for byte, the file that cv2.imwrite writes after
// the same steps: for lossless formats that means the same pixels.
func TestOperations_WriteTheFilesThatPythonWrites(t *testing.T) {
	if out, err := exec.Command(python, "-c", "import cv2, numpy").CombinedOutput(); err != nil {
		t.Skipf("needs %s with cv2 (Debian: python3-opencv): %v %s", python, err, out)
	}
	p := newPlace(t)
	require.NoError(t, os.Remove(p.in("")))
	out, err := exec.Command(python, append([]string{"testdata/reference.py", p.base}, referenced...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	inputs, err := os.ReadDir(p.in(""))
	require.NoError(t, err)
	require.Greater(t, len(inputs), 30)
	for n, text := range referenced {
		t.Run(text, func(t *testing.T) {
			op, err := job.ParseOperation(text)
			require.NoError(t, err)
			for _, input := range inputs {
				name := input.Name()
				reply, err := p.run(name, op)
				require.NoError(t, err, name)
				got, err := os.ReadFile(p.out(name))
				require.NoError(t, err)
				want, err := os.ReadFile(filepath.Join(p.base, "expected", strconv.Itoa(n), name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%s: %d bytes, Python wrote %d", name, len(got), len(want))
				require.EqualValues(t, len(got), reply.OutBytes)
				require.Positive(t, reply.InBytes)
				require.Positive(t, reply.Run)
			}
		})
	}
	for _, name := range p.left() {
		require.False(t, strings.HasPrefix(name, "."), "%s was left", name)
	}
}

// Each operation on pictures is held against Python above, other than none and those on
// faces, which are held against C++.
func TestOperations_AllAreReferenced(t *testing.T) {
	seen := map[string]bool{"none": true, "face_landmarks": true, "face_mesh": true, "abort": true, "hang": true, "eat": true}
	for _, text := range referenced {
		op, err := job.ParseOperation(text)
		require.NoError(t, err)
		seen[op.Name] = true
	}
	for _, op := range All() {
		name := op.Info().Name
		if _, ok := op.(applier); ok {
			require.True(t, seen[name], name)
			require.True(t, slices.ContainsFunc(Infos(), func(i job.OperationInfo) bool { return i.Name == job.VideoPrefix+name }), "and is done to videos")
		}
	}
}

//go:build gocv_specific_modules && dlib

package test

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/opencv"
)

// aFace is a photograph of opencv-doc, twice as large, since dlib finds faces of 80
// pixels or more, and the same without the face.
func aFace(t *testing.T) (face, none []byte) {
	t.Helper()
	if _, err := os.Stat("/usr/share/dlib/shape_predictor_68_face_landmarks.dat"); err != nil {
		t.Skipf("needs the model of Debian's libdlib-data: %v", err)
	}
	const inside = "usr/share/doc/opencv-doc/examples/data/"
	load := func(name string) *opencv.Image {
		data, err := os.ReadFile("/" + inside + name)
		if err != nil {
			data, err = os.ReadFile("../bin/photos/" + inside + name)
		}
		if err != nil {
			t.Skip("needs the photographs of Debian's opencv-doc; tools/photos fetches them")
		}
		im, err := opencv.Decode(data)
		require.NoError(t, err)
		t.Cleanup(func() { im.Close() })
		return im
	}
	encoded := func(im *opencv.Image) []byte {
		data, err := opencv.Encode(im, ".png")
		require.NoError(t, err)
		defer data.Close()
		return bytes.Clone(data.Bytes())
	}
	small := load("messi5.jpg")
	large, err := opencv.Resize(small, 2*small.Width(), 2*small.Height())
	require.NoError(t, err)
	defer large.Close()
	return encoded(large), encoded(load("fruits.jpg"))
}

func TestText_AFaceIsFoundAndGetsItsMesh(t *testing.T) {
	picture, fruits := aFace(t)
	node, addr, text := textNode(t)
	m := dialText(t, text)
	m.put("12.7.png", picture)
	m.put("12.8.png", fruits)
	require.Equal(t, "no face detected for file 12.8.png", m.ask("detect face for file 12.8.png"))
	reply := m.ask("detect face for file 12.7.png")
	points, ok := strings.CutPrefix(reply, "face detected for file 12.7.png with face data points ")
	require.True(t, ok, reply)
	require.Regexp(t, `^(\(-?\d+,-?\d+\), ){67}\(-?\d+,-?\d+\)$`, points)
	numbers := regexp.MustCompile(`\d+`).FindAllString(points, -1)
	left, err := strconv.Atoi(numbers[0])
	require.NoError(t, err)
	right, err := strconv.Atoi(numbers[2*16])
	require.NoError(t, err)
	require.Greater(t, right-left, 40, "the jaw goes from the left to the right")

	require.Equal(t, "mesh drawn for file mesh-12.7.png", m.ask("draw mesh for file 12.7.png with face data points "+points))
	require.Equal(t, "file not found for file mesh-12.9.png", m.ask("draw mesh for file 12.9.png with face data points "+points))
	was, err := opencv.Decode(picture)
	require.NoError(t, err)
	defer was.Close()
	drawn, err := opencv.Decode(m.get("mesh-12.7.png"))
	require.NoError(t, err)
	defer drawn.Close()
	require.Equal(t, []int{was.Width(), was.Height()}, []int{drawn.Width(), drawn.Height()})
	require.NotEqual(t, was.Pixels(), drawn.Pixels())
	require.Equal(t, points+"\n", clientOf(t, addr)("face", "12.7.png"), "the client sees the same")
	require.Equal(t, "mesh-12.7.png\n", clientOf(t, addr)("mesh", "12.7.png"))
	node.signal(syscall.SIGTERM)
	require.Zero(t, node.wait())
}

//go:build dlib && cgo

package dlib

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is where Debian's libdlib-data puts it.
const model = "/usr/share/dlib/shape_predictor_68_face_landmarks.dat"

// opened is the predictor, for as long as the test runs.
func opened(tb testing.TB) *Predictor {
	tb.Helper()
	if _, err := os.Stat(model); err != nil {
		tb.Skipf("needs the model of Debian's libdlib-data: %v", err)
	}
	p, err := Open(model)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, p.Close()) })
	return p
}

// detector is one for as long as the test runs.
func detector(tb testing.TB) *Detector {
	tb.Helper()
	d, err := NewDetector()
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, d.Close()) })
	return d
}

// folder is where Debian's opencv-doc, or tools/photos, puts its photographs.
func folder(tb testing.TB) string {
	tb.Helper()
	const inside = "usr/share/doc/opencv-doc/examples/data"
	for _, dir := range []string{"/" + inside, "../../bin/photos/" + inside} {
		if _, err := os.Stat(filepath.Join(dir, "basketball1.png")); err == nil {
			return dir
		}
	}
	tb.Skip("needs the photographs of Debian's opencv-doc; tools/photos fetches them")
	return ""
}

// photograph decodes a PNG file of folder.
func photograph(tb testing.TB, name string) Picture {
	tb.Helper()
	file, err := os.Open(filepath.Join(folder(tb), name))
	require.NoError(tb, err)
	defer file.Close()
	img, err := png.Decode(file)
	require.NoError(tb, err)
	size := img.Bounds().Size()
	p := Picture{Width: size.X, Height: size.Y, Channels: 3}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := img.At(x, y).RGBA()
			p.Pixels = append(p.Pixels, uint8(b>>8), uint8(g>>8), uint8(r>>8))
		}
	}
	return p
}

// line is a face as plain/faces.cpp prints it.
func line(name string, face Face, points [Points]image.Point) string {
	b := face.Box
	text := fmt.Sprintf("%s %d %d %d %d %.17g", name, b.Min.X, b.Min.Y, b.Dx(), b.Dy(), face.Score)
	for _, p := range points {
		text += fmt.Sprintf(" %d %d", p.X, p.Y)
	}
	return text
}

// find does what plain/faces.cpp does with one picture.
func find(tb testing.TB, p *Predictor, d *Detector, name string) []string {
	tb.Helper()
	picture := photograph(tb, name)
	faces, err := d.Detect(picture, Search{Upsample: 1})
	require.NoError(tb, err)
	var lines []string
	for _, face := range faces {
		points, err := p.Landmarks(picture, face.Box)
		require.NoError(tb, err)
		lines = append(lines, line(name, face, points))
	}
	return lines
}

// oracle returns what the plain loop in C++ prints of the faces in dir.
func oracle(t *testing.T, dir string) []string {
	t.Helper()
	if out, err := exec.Command("pkg-config", "--exists", "opencv4").CombinedOutput(); err != nil {
		t.Skipf("needs Debian's libopencv-dev: %v %s", err, out)
	}
	out, err := exec.Command("make", "-s", "-C", "../..", "bin/plain-faces").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("../../bin/plain-faces", "--points", "--upsample", "1", model, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[:len(lines)-1]
}

func TestFaces_AreThoseOfPlainCPlusPlusToTheLastBit(t *testing.T) {
	if Instructions() != "baseline" {
		t.Skip("the plain loop is compiled for every processor, this package is not")
	}
	p, d := opened(t), detector(t)
	dir := t.TempDir()
	var got []string
	for _, name := range []string{"basketball1.png", "basketball2.png", "graf1.png"} {
		data, err := os.ReadFile(filepath.Join(folder(t), name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
		got = append(got, find(t, p, d, name)...)
	}
	require.Len(t, got, 2, "a face on each photograph of a player, none on the wall")
	require.Equal(t, oracle(t, dir), got)
}

// The build of everybody has no instruction that an old processor lacks.
func TestInstructions_AreOnesThatEveryProcessorHas(t *testing.T) {
	want := "baseline"
	if built(t, "dlib_avx2") && runtime.GOARCH == "amd64" {
		want = "avx2+fma"
	}
	require.Equal(t, want, Instructions())
}

// built tells whether the build of this test has a tag.
func built(t *testing.T, tag string) bool {
	t.Helper()
	out, err := exec.Command("go", "env", "GOFLAGS").Output()
	require.NoError(t, err)
	return strings.Contains(string(out), tag)
}

func TestPredictor_IsSharedByManyWhoFindTheSame(t *testing.T) {
	p := opened(t)
	want := find(t, p, detector(t), "basketball1.png")
	require.Len(t, want, 1)
	var wg sync.WaitGroup
	got := make([][]string, 4)
	picture := photograph(t, "basketball1.png")
	for i := range got {
		d := detector(t)
		wg.Go(func() {
			for range 2 {
				faces, err := d.Detect(picture, Search{Upsample: 1})
				if err != nil || len(faces) != 1 {
					t.Errorf("%d faces, %v", len(faces), err)
					return
				}
				points, err := p.Landmarks(picture, faces[0].Box)
				if err != nil {
					t.Error(err)
				}
				got[i] = []string{line("basketball1.png", faces[0], points)}
			}
		})
	}
	wg.Wait()
	for _, lines := range got {
		require.Equal(t, want, lines)
	}
}

func TestDetect_ThresholdAndMostBoundWhatIsFound(t *testing.T) {
	d, picture := detector(t), photograph(t, "basketball1.png")
	loose, err := d.Detect(picture, Search{Upsample: 1, Threshold: -1.5})
	require.NoError(t, err)
	require.Greater(t, len(loose), 2)
	for i := range loose[1:] {
		require.GreaterOrEqual(t, loose[i].Score, loose[i+1].Score, "the best comes first")
	}
	two, err := d.Detect(picture, Search{Upsample: 1, Threshold: -1.5, Most: 2})
	require.NoError(t, err)
	require.Equal(t, loose[:2], two)
	none, err := d.Detect(picture, Search{Upsample: 1, Threshold: 50})
	require.NoError(t, err)
	require.Empty(t, none)
}

// Gray pictures, and those with less than a window of the detector.
func TestDetect_TakesEverySizeAndKind(t *testing.T) {
	p, d := opened(t), detector(t)
	for _, size := range []image.Point{{1, 1}, {1, 500}, {700, 1}, {2, 3}, {79, 79}, {80, 80}, {1280, 3}} {
		for _, channels := range []int{1, 3} {
			picture := Picture{make([]byte, size.X*size.Y*channels), size.X, size.Y, channels}
			for _, upsample := range []int{0, 1, 3} {
				faces, err := d.Detect(picture, Search{Upsample: upsample})
				require.NoError(t, err)
				require.Empty(t, faces, "%v", size)
			}
			_, err := p.Landmarks(picture, image.Rect(-50, -60, 900, 800))
			require.NoError(t, err)
		}
	}
}

func TestPicture_ThatLiesIsRefused(t *testing.T) {
	p, d := opened(t), detector(t)
	good := Picture{make([]byte, 300), 10, 10, 3}
	for name, bad := range map[string]Picture{
		"nothing":       {},
		"too few bytes": {make([]byte, 299), 10, 10, 3},
		"too many":      {make([]byte, 301), 10, 10, 3},
		"four channels": {make([]byte, 400), 10, 10, 4},
		"below zero":    {make([]byte, 300), -10, -10, 3},
		"a giant":       {make([]byte, 300), 1 << 40, 1 << 40, 3},
	} {
		_, err := d.Detect(bad, Search{})
		require.ErrorIs(t, err, ErrPicture, name)
		_, err = p.Landmarks(bad, image.Rect(0, 0, 5, 5))
		require.ErrorIs(t, err, ErrPicture, name)
	}
	for _, box := range []image.Rectangle{{}, image.Rect(0, 0, 0, 5), {Min: image.Pt(5, 5)}, image.Rect(0, 0, 1<<30, 1<<30)} {
		_, err := p.Landmarks(good, box)
		require.ErrorIs(t, err, ErrPicture, "%v", box)
	}
	for _, search := range []Search{{Upsample: -1}, {Upsample: MaxUpsample + 1}, {Most: -1}, {Most: 1 << 30}} {
		_, err := d.Detect(good, search)
		require.ErrorIs(t, err, ErrPicture, "%+v", search)
	}
}

func TestOpen_WhatIsNoModelSaysSo(t *testing.T) {
	opened(t) // skips without the model
	data, err := os.ReadFile(model)
	require.NoError(t, err)
	dir := t.TempDir() + "/"
	require.NoError(t, os.WriteFile(dir+"cut.dat", data[:len(data)/3], 0o644))
	require.NoError(t, os.WriteFile(dir+"text.dat", []byte(strings.Repeat("not a model\n", 100)), 0o644))
	require.NoError(t, os.WriteFile(dir+"empty.dat", nil, 0o644))
	before := Live()
	for _, path := range []string{dir + "cut.dat", dir + "text.dat", dir + "empty.dat", dir + "gone.dat", dir} {
		p, err := Open(path)
		require.ErrorIs(t, err, ErrModel, path)
		require.Nil(t, p)
	}
	require.Equal(t, before, Live())
}

func TestClose_TwiceIsNoErrorAndUseAfterIsOne(t *testing.T) {
	p, d := opened(t), detector(t)
	picture := Picture{make([]byte, 300), 10, 10, 3}
	for range 2 {
		require.NoError(t, p.Close())
		require.NoError(t, d.Close())
		_, err := p.Landmarks(picture, image.Rect(0, 0, 5, 5))
		require.ErrorIs(t, err, ErrClosed)
		_, err = d.Detect(picture, Search{})
		require.ErrorIs(t, err, ErrClosed)
	}
}

// BenchmarkFaces is one face on a picture of 640 × 480, doubled.
func BenchmarkFaces(b *testing.B) {
	p, d, picture := opened(b), detector(b), photograph(b, "basketball1.png")
	for b.Loop() {
		faces, err := d.Detect(picture, Search{Upsample: 1})
		require.NoError(b, err)
		require.Len(b, faces, 1)
		_, err = p.Landmarks(picture, faces[0].Box)
		require.NoError(b, err)
	}
}

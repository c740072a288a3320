//go:build goface && cgo

package goface

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// models is a folder of models with random weights, from our generator.
func models(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("make", "-s", "-C", "../..", "bin/random-models/all").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return "../../bin/random-models"
}

// opened loads them, for as long as the test runs.
func opened(t *testing.T) *Recognizer {
	t.Helper()
	r, err := Open(models(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// photograph is a picture of Debian's opencv-doc, so many times as wide.
func photograph(t *testing.T, name string, factor int) *image.RGBA {
	t.Helper()
	const inside = "usr/share/doc/opencv-doc/examples/data"
	for _, dir := range []string{"/" + inside, "../../bin/photos/" + inside} {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		defer file.Close()
		small, _, err := image.Decode(file)
		require.NoError(t, err)
		size := small.Bounds().Size()
		large := image.NewRGBA(image.Rect(0, 0, size.X*factor, size.Y*factor))
		for y := range large.Rect.Dy() {
			for x := range large.Rect.Dx() {
				large.Set(x, y, small.At(x/factor, y/factor))
			}
		}
		return large
	}
	t.Skip("needs the photographs of Debian's opencv-doc; tools/photos fetches them")
	return nil
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func distance(a, b Descriptor) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Pow(float64(a[i]-b[i]), 2)
	}
	return math.Sqrt(sum)
}

// Random weights know nobody; that a face is itself, and no other, even they know.
func TestRecognize_AFaceIsItselfAndNoOther(t *testing.T) {
	r := opened(t)
	one, two := photograph(t, "basketball1.png", 2), photograph(t, "messi5.jpg", 2)
	first, err := r.Recognize(encoded(t, one))
	require.NoError(t, err)
	require.Len(t, first, 1)
	require.True(t, first[0].Box.In(one.Rect), "%v", first[0].Box)
	require.InDelta(t, 1, float64(first[0].Box.Dx())/float64(first[0].Box.Dy()), 0.1)
	again, err := r.Recognize(encoded(t, one))
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := r.Recognize(encoded(t, two))
	require.NoError(t, err)
	require.Len(t, other, 1)
	apart := distance(first[0].Descriptor, other[0].Descriptor)
	t.Logf("two people are %.2f apart", apart)
	require.Greater(t, apart, 0.6)
	require.Less(t, apart, 60.0)

	// The same two on one picture, from left to right.
	both := image.NewRGBA(image.Rect(0, 0, one.Rect.Dx()+two.Rect.Dx(), max(one.Rect.Dy(), two.Rect.Dy())))
	draw.Draw(both, two.Rect, two, image.Point{}, draw.Src)
	draw.Draw(both, one.Rect.Add(image.Pt(two.Rect.Dx(), 0)), one, image.Point{}, draw.Src)
	pair, err := r.Recognize(encoded(t, both))
	require.NoError(t, err)
	require.Len(t, pair, 2)
	require.Less(t, pair[0].Box.Max.X, pair[1].Box.Min.X)
}

func TestRecognize_NoFaceIsAnEmptyList(t *testing.T) {
	r := opened(t)
	for _, size := range []image.Point{{1, 1}, {1, 400}, {79, 79}, {300, 2}, {200, 200}} {
		faces, err := r.Recognize(encoded(t, image.NewRGBA(image.Rectangle{Max: size})))
		require.NoError(t, err)
		require.NotNil(t, faces)
		require.Empty(t, faces)
	}
}

func TestRecognize_WhatIsNoJPEGOfThreeColoursIsRefused(t *testing.T) {
	r := opened(t)
	gray := image.NewGray(image.Rect(0, 0, 20, 20))
	whole := encoded(t, image.NewRGBA(image.Rect(0, 0, 200, 200)))
	var other bytes.Buffer
	require.NoError(t, png.Encode(&other, gray))
	gray.SetGray(3, 3, color.Gray{Y: 9})
	for name, data := range map[string][]byte{
		"nothing": nil, "one byte": {0xff}, "text": []byte("text"), "a PNG": other.Bytes(),
		"gray": encoded(t, gray), "cut off": whole[:len(whole)/2], "a header": whole[:20],
	} {
		_, err := r.Recognize(data)
		require.ErrorIs(t, err, ErrPicture, name)
	}
}

func TestOpen_FilesThatAreNoModelsAreRefusedAndNothingIsLeft(t *testing.T) {
	from, before := models(t), Live()
	for _, bad := range Files() {
		for name, harm := range map[string]func(string) error{
			"missing": os.Remove,
			"empty":   func(path string) error { return os.WriteFile(path, nil, 0o644) },
			"text":    func(path string) error { return os.WriteFile(path, []byte("<html>Not found</html>"), 0o644) },
			"cut off": func(path string) error { return os.Truncate(path, 5000) },
			"another": func(path string) error { return os.WriteFile(path, other(t, from, bad), 0o644) },
		} {
			dir := t.TempDir()
			for _, file := range Files() {
				data, err := os.ReadFile(filepath.Join(from, file))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o644))
			}
			require.NoError(t, harm(filepath.Join(dir, bad)))
			r, err := Open(dir)
			require.ErrorIs(t, err, ErrModel, "%s %s", bad, name)
			require.Nil(t, r)
		}
	}
	require.Equal(t, before, Live())
}

// other is a model that is good, and not what the file is to hold.
func other(t *testing.T, dir, than string) []byte {
	t.Helper()
	for _, file := range Files() {
		if file != than {
			data, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			return data
		}
	}
	return nil
}

// Weights that are no numbers, as a file with flipped bits may have them, are told and
// give no face a wrong name.
func TestRecognize_ModelsThatGiveNoNumbersAreToldOf(t *testing.T) {
	from, dir := models(t), t.TempDir()
	for _, file := range Files() {
		data, err := os.ReadFile(filepath.Join(from, file))
		require.NoError(t, err)
		if file == Files()[1] { // the last layer's weights, floats as they are, come last
			for at := len(data) - 100_000; at < len(data)-60_000; at++ {
				data[at] = 0xff
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o644))
	}
	r, err := Open(dir)
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Recognize(encoded(t, photograph(t, "basketball1.png", 2)))
	require.ErrorIs(t, err, ErrModel)
}

func TestRecognizer_IsSharedByManyWhoFindTheSame(t *testing.T) {
	r := opened(t)
	picture := encoded(t, photograph(t, "basketball1.png", 2))
	want, err := r.Recognize(picture)
	require.NoError(t, err)
	var wg sync.WaitGroup
	got := make([][]Face, 4)
	for i := range got {
		wg.Go(func() {
			faces, err := r.Recognize(picture)
			if err != nil {
				t.Error(err)
			}
			got[i] = faces
		})
	}
	wg.Wait()
	for _, faces := range got {
		require.Equal(t, want, faces)
	}
}

func TestClose_TwiceIsNoErrorAndUseAfterIsOne(t *testing.T) {
	r := opened(t)
	for range 2 {
		require.NoError(t, r.Close())
		_, err := r.Recognize(encoded(t, image.NewRGBA(image.Rect(0, 0, 9, 9))))
		require.ErrorIs(t, err, ErrClosed)
	}
	var none *Recognizer
	require.NoError(t, none.Close())
	_, err := none.Recognize(nil)
	require.ErrorIs(t, err, ErrClosed)
}

// This machine has all that the C++ was compiled for, and none has a ninth thing.
func TestLacks_OnlyWhatThisProcessorHasNot(t *testing.T) {
	require.False(t, lacks(0))
	r, err := Open(models(t))
	require.NotErrorIs(t, err, ErrProcessor)
	require.NoError(t, r.Close())
}

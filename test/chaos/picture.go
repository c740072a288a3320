package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
)

// maxInputs is how many pictures there are.
const maxInputs = 400

// operations are what is done to them.
var operations = []string{"edges", "blur:kernel=5", "grayscale"}

// makePictures makes small pictures, unlike each other, in dir.
func makePictures(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range maxInputs {
		if err := makePicture(filepath.Join(dir, pictureName(i)), i); err != nil {
			return err
		}
	}
	return nil
}

// pictureName is the name of picture i.
func pictureName(i int) string {
	return fmt.Sprintf("p%03d%s", i, []string{".jpg", ".png"}[i%2])
}

func makePicture(path string, i int) error {
	const wide, high = 96, 72
	picture := image.NewRGBA(image.Rect(0, 0, wide, high))
	for y := range high {
		for x := range wide {
			wave := math.Sin(float64(x*(i%17+3))/40) * math.Cos(float64(y*(i%23+5))/30)
			shade := uint8(128 + 90*wave)
			picture.SetRGBA(x, y, color.RGBA{R: shade, G: uint8(i), B: uint8(x*y + i/256), A: 255})
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if i%2 == 0 {
		err = jpeg.Encode(file, picture, nil)
	} else {
		err = png.Encode(file, picture)
	}
	if bad := file.Close(); err == nil {
		err = bad
	}
	return err
}

// hashes are the hashes of the files in dir by name.
func hashes(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(entries))
	for _, e := range entries {
		sum, err := hash(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found[e.Name()] = sum
	}
	return found, nil
}

func hash(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

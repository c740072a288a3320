package operation

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"spillway/job"
	"spillway/native/opencv"
)

// MaxPixels bounds width × height of a picture, read or made. It is also what
// OPENCV_IO_MAX_IMAGE_PIXELS says where native code runs.
const MaxPixels = 100_000_000

var (
	errUnknown   = errors.New("it is not a JPEG, PNG, WebP, BMP or TIFF picture, whatever its name says")
	errCut       = errors.New("the picture is cut off before its end")
	errBroken    = errors.New("the picture's header is damaged")
	errAnimation = errors.New("it is an animation, not a picture")
)

// size is a picture's width and height in pixels.
type size struct {
	w, h int64
}

// checkPicture looks at a file's bytes before OpenCV does. Errors: *job.Error.
func checkPicture(name string, data []byte) error {
	op := "decode " + shown(job.InputDir, name)
	s, err := measure(data)
	switch {
	case errors.Is(err, errUnknown):
		return job.E(job.InvalidArgument, op, err, "remove it from input_dir, or convert it")
	case errors.Is(err, errAnimation):
		return job.E(job.InvalidArgument, op, err, "save one of its pictures as a file of its own")
	case errors.Is(err, errCut):
		return job.E(job.DataLoss, op, err, "copy it again from where it came")
	case err != nil:
		return job.E(job.DataLoss, op, err, "copy it again from where it came, or open and save it in another program")
	case s.w*s.h > MaxPixels:
		return job.E(job.InvalidArgument, op,
			fmt.Errorf("its %d × %d pixels are more than the %d that are allowed", s.w, s.h, MaxPixels), "make the picture smaller")
	}
	return nil
}

// measure reads a picture's size from its header, and checks that the file goes
// on to its end where the format has one. Errors: errUnknown, errCut,
// errBroken, errAnimation.
func measure(data []byte) (size, error) {
	var s size
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		s, err = measureJPEG(data)
	case bytes.HasPrefix(data, []byte(pngSignature)):
		s, err = measurePNG(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		s, err = measureWebP(data)
	case bytes.HasPrefix(data, []byte("BM")):
		s, err = measureBMP(data)
	case isTIFF(data):
		s, err = measureTIFF(data)
	default:
		return size{}, errUnknown
	}
	if err == nil && (s.w < 1 || s.h < 1 || s.w > math.MaxInt32 || s.h > math.MaxInt32) {
		err = errBroken
	}
	if err != nil {
		return size{}, err
	}
	return s, nil
}

// checkExtension refuses a name that no encoder answers to.
func (f *Files) checkExtension() error {
	ext := strings.ToLower(filepath.Ext(f.Name()))
	if maxSide(ext) > 0 {
		return nil
	}
	return job.E(job.InvalidArgument, "read "+shown(job.InputDir, f.Name()), fmt.Errorf("%q is not the ending of a picture's name", ext),
		"use .jpg, .jpeg, .png, .webp, .bmp, .tif or .tiff")
}

// maxSide is the longest side that a format holds, 0 for a format that there is
// not.
func maxSide(ext string) int {
	switch ext {
	case ".jpg", ".jpeg":
		return opencv.MaxJPEGSide
	case ".webp":
		return opencv.MaxWebPSide
	case ".png", ".bmp", ".tif", ".tiff":
		return MaxPixels
	}
	return 0
}

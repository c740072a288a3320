package ffmpeg

import (
	"errors"
	"fmt"
	"strings"
)

// Sketch is what somebody who decodes some of the frames has to know of the video, in
// one word: all but the frames' times. [ParseSketch] reads it. So whoever probes a file
// spares the others the reading of all of it.
func (v *Video) Sketch() string {
	matrix := v.Matrix
	if strings.Trim(matrix, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		matrix = ""
	}
	word := fmt.Sprintf("%d,%dx%d,%v,%v,%v,%s", v.Stream, v.Width, v.Height, v.TimeBase, v.Rate, v.Pixel, matrix)
	if v.Variable {
		word += ",variable"
	}
	if v.Seekable {
		word += ",seekable"
	}
	if v.Planar {
		word += ",planar"
	}
	return word
}

var errSketch = errors.New("the video is described in words that are none")

// ParseSketch is the video that a word of Sketch tells of. Errors: what is none, or more
// than [MaxPixels].
func ParseSketch(word string) (*Video, error) {
	fields := strings.Split(word, ",")
	if len(fields) < 6 {
		return nil, errSketch
	}
	v := &Video{Matrix: fields[5]}
	if n, err := fmt.Sscanf(fields[0]+","+fields[1], "%d,%dx%d", &v.Stream, &v.Width, &v.Height); n != 3 || err != nil {
		return nil, errSketch
	}
	for i, r := range []*Ratio{&v.TimeBase, &v.Rate, &v.Pixel} {
		if err := r.UnmarshalText([]byte(fields[2+i])); err != nil {
			return nil, err
		}
	}
	for _, flag := range fields[6:] {
		v.Variable = v.Variable || flag == "variable"
		v.Seekable = v.Seekable || flag == "seekable"
		v.Planar = v.Planar || flag == "planar"
	}
	return v, v.check()
}

// check bounds what a sketch may say.
func (v *Video) check() error {
	switch {
	case v.Stream < 0 || v.Stream >= maxStreams || v.Width < 1 || v.Height < 1 || !v.TimeBase.Known() || !v.Rate.Known():
		return errSketch
	case v.Planar && v.Width%2+v.Height%2 > 0:
		return errSketch
	case v.Width > MaxPixels || v.Height > MaxPixels || v.Width*v.Height > MaxPixels:
		return ErrTooLarge
	}
	return nil
}

package ffmpeg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Sketch is what somebody who decodes some of the frames has to know of the video, in
// one word: all but the frames' times. [ParseSketch] reads it. So whoever probes a file
// spares the others the reading of all of it.
func (v *Video) Sketch() string {
	matrix := v.Matrix
	if !isWord(matrix) {
		matrix = ""
	}
	word := fmt.Sprintf("%d,%dx%d,%v,%v,%v,%s", v.Stream, v.Width, v.Height, v.TimeBase, v.Rate, v.Pixel, matrix)
	if v.Variable {
		word += ",variable"
	}
	if v.Seekable {
		word += ",seekable"
	}
	if v.Primaries != "" && isWord(v.Primaries) {
		word += ",primaries=" + v.Primaries
	}
	if v.Transfer != "" && isWord(v.Transfer) {
		word += ",transfer=" + v.Transfer
	}
	if v.Search > 0 {
		word += ",search=" + strconv.FormatInt(v.Search, 10)
	}
	if v.Planar {
		word += ",planar"
	}
	return word
}

// isWord tells FFmpeg's names from what could be taken for something else.
func isWord(name string) bool {
	return len(name) < 20 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(name, "-")
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
		v.take(flag)
	}
	return v, v.check()
}

// take reads one of the words at a sketch's end; those of others are left alone.
func (v *Video) take(flag string) {
	switch name, value, _ := strings.Cut(flag, "="); name {
	case "variable":
		v.Variable = true
	case "seekable":
		v.Seekable = true
	case "planar":
		v.Planar = true
	case "primaries":
		v.Primaries = value
	case "transfer":
		v.Transfer = value
	case "search":
		v.Search, _ = ticks(value)
	}
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

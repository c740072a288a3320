package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// grayscale writes a picture of one channel, 0.299 R + 0.587 G + 0.114 B.
func grayscale() Operation {
	return picture{
		info:  job.OperationInfo{Name: "grayscale", Summary: "the picture in shades of gray, one channel"},
		apply: func(src *opencv.Image, _ job.Args) (*opencv.Image, error) { return opencv.Gray(src) },
	}
}

package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// edges is the assignment's filter: gray, 3 × 3 box blur, Canny (10, 30,
// aperture 5); the picture at half its brightness, v/2 without the fraction,
// with every edge pixel pure green.
func edges() Operation {
	return picture{
		info:  job.OperationInfo{Name: "edges", Summary: "the picture darkened to half, its edges in green"},
		apply: drawEdges,
	}
}

func drawEdges(src *opencv.Image, _ job.Args) (*opencv.Image, error) {
	mask, err := findEdges(src)
	if err != nil {
		return nil, err
	}
	defer mask.Close()
	if err := opencv.Halve(src); err != nil {
		return nil, err
	}
	if err := opencv.Paint(src, mask, 0, 255, 0); err != nil {
		return nil, err
	}
	return src, nil
}

func findEdges(src *opencv.Image) (*opencv.Image, error) {
	gray, err := opencv.Gray(src)
	if err != nil {
		return nil, err
	}
	defer gray.Close()
	smooth, err := opencv.BoxBlur(gray, 3)
	if err != nil {
		return nil, err
	}
	defer smooth.Close()
	return opencv.Canny(smooth, 10, 30, 5)
}

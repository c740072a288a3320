package operation

import (
	"fmt"
	"math"

	"spillway/job"
	"spillway/native/opencv"
)

// resize scales to width × height. One of them 0: it follows from the other, so
// that the picture keeps its shape. Both 0: both sides times scale. It averages
// areas where it shrinks and interpolates by cubics where it grows.
func resize() Operation {
	return picture{
		info: job.OperationInfo{Name: "resize", Summary: "the picture in another size", Params: []job.ParamInfo{
			{Name: "width", Kind: job.IntParam, Default: "0", Min: 0, Max: 65500, Summary: "pixels; 0: from height, keeping the shape"},
			{Name: "height", Kind: job.IntParam, Default: "0", Min: 0, Max: 65500, Summary: "pixels; 0: from width, keeping the shape"},
			{Name: "scale", Kind: job.FloatParam, Default: "0.5", Min: 0.001, Max: 32, Summary: "factor for both sides where width and height are 0"},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			w, h, err := newSize(src.Width(), src.Height(), args)
			if err != nil {
				return nil, err
			}
			return opencv.Resize(src, w, h)
		},
	}
}

// newSize is the size that a picture of w × h gets: at least 1 × 1.
// Errors: InvalidArgument for more than MaxPixels.
func newSize(w, h int, args job.Args) (int, int, error) {
	toW, toH := args.Int("width"), args.Int("height")
	fw, fh := float64(w), float64(h)
	switch {
	case toW == 0 && toH == 0:
		fw, fh = fw*args.Float("scale"), fh*args.Float("scale")
	case toW == 0:
		fw, fh = fw*float64(toH)/fh, float64(toH)
	case toH == 0:
		fw, fh = float64(toW), fh*float64(toW)/fw
	default:
		fw, fh = float64(toW), float64(toH)
	}
	fw, fh = max(1, math.Round(fw)), max(1, math.Round(fh))
	if !(fw*fh <= MaxPixels) {
		return 0, 0, job.E(job.InvalidArgument, "operation resize",
			fmt.Errorf("%.0f × %.0f pixels are more than the %d that are allowed", fw, fh, MaxPixels),
			"ask for a smaller width, height or scale")
	}
	return int(fw), int(fh), nil
}

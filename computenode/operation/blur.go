package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// blur gives each pixel the mean of the kernel × kernel pixels around it.
func blur() Operation {
	return picture{
		info: job.OperationInfo{Name: "blur", Summary: "the picture smoothed by a box", Params: []job.ParamInfo{
			{Name: "kernel", Kind: job.IntParam, Default: "5", Min: 1, Max: 301, Odd: true, Summary: "side of the box in pixels"},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			return opencv.BoxBlur(src, args.Int("kernel"))
		},
	}
}

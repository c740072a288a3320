package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// rotate turns by quarters, clockwise, without loss.
func rotate() Operation {
	return picture{
		info: job.OperationInfo{Name: "rotate", Summary: "the picture turned clockwise", Params: []job.ParamInfo{
			{Name: "angle", Kind: job.ChoiceParam, Default: "90", Choices: []string{"90", "180", "270"}, Summary: "degrees, clockwise"},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			return opencv.Rotate(src, args.Int("angle")/90)
		},
	}
}

package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// threshold writes one channel: 255 where the gray picture is above the level,
// 0 elsewhere.
func threshold() Operation {
	return picture{
		info: job.OperationInfo{Name: "threshold", Summary: "the picture in black and white", Params: []job.ParamInfo{
			{Name: "level", Kind: job.IntParam, Default: "127", Min: 0, Max: 255, Summary: "the brightest gray that becomes black"},
			{
				Name: "method", Kind: job.ChoiceParam, Default: "fixed", Choices: []string{"fixed", "otsu"},
				Summary: "fixed: the level given; otsu: the level that parts the picture's own grays best",
			},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			gray, err := opencv.Gray(src)
			if err != nil {
				return nil, err
			}
			defer gray.Close()
			if args["method"] == "otsu" {
				return opencv.Otsu(gray)
			}
			return opencv.Threshold(gray, args.Int("level"))
		},
	}
}

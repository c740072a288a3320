package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// sharpen is an unsharp mask: src + amount · (src − Gaussian blur of src).
func sharpen() Operation {
	return picture{
		info: job.OperationInfo{Name: "sharpen", Summary: "the picture with crisper detail (unsharp mask)", Params: []job.ParamInfo{
			{Name: "amount", Kind: job.FloatParam, Default: "1", Min: 0, Max: 10, Summary: "strength; 0 changes nothing"},
			{Name: "sigma", Kind: job.FloatParam, Default: "1.5", Min: 0.1, Max: 20, Summary: "size of the detail in pixels"},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			smooth, err := opencv.GaussianBlur(src, args.Float("sigma"))
			if err != nil {
				return nil, err
			}
			defer smooth.Close()
			amount := args.Float("amount")
			return opencv.Mix(src, 1+amount, smooth, -amount)
		},
	}
}

package operation

import (
	"spillway/job"
	"spillway/native/opencv"
)

// denoise is non-local means (Buades, Coll and Morel, 2005) in Lab colour. Its
// time grows with search²: at 21, some sixty times that of edges.
func denoise() Operation {
	return picture{
		info: job.OperationInfo{Name: "denoise", Summary: "the picture with less noise (non-local means; slow)", Params: []job.ParamInfo{
			{Name: "strength", Kind: job.FloatParam, Default: "3", Min: 1, Max: 30, Summary: "more removes more noise, and more detail"},
			{Name: "search", Kind: job.IntParam, Default: "21", Min: 7, Max: 35, Odd: true, Summary: "side of the window searched, in pixels"},
		}},
		apply: func(src *opencv.Image, args job.Args) (*opencv.Image, error) {
			return opencv.Denoise(src, args.Float("strength"), args.Int("search"))
		},
	}
}

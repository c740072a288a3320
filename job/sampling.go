package job

// ExtractFrames takes pictures of videos, PicturesPerPart at most in one task, and
// MaxPictures at most of one video: a file may claim to last for centuries.
const (
	ExtractFrames   = "extract_frames"
	PicturesPerPart = 100
	MaxPictures     = 10_000_000
)

// SamplingParams are the parameters of [ExtractFrames]. The server plans by them, and
// nodes check them.
func SamplingParams() []ParamInfo {
	return []ParamInfo{
		{Name: "rate", Kind: FloatParam, Default: "0", Min: 0, Max: 1000, Summary: "pictures a second; 0: every frame"},
		{Name: "start", Kind: FloatParam, Default: "0", Min: 0, Max: 1e6, Summary: "where to begin, in seconds"},
		{Name: "length", Kind: FloatParam, Default: "0", Min: 0, Max: 1e6, Summary: "how long to go on, in seconds; 0: to the end"},
	}
}

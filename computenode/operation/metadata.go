package operation

import (
	"context"
	"encoding/json"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// metadata says what a video or a sound holds, as JSON.
type metadata struct{}

var _ Operation = metadata{}

// Info describes the operation.
func (metadata) Info() job.OperationInfo {
	return job.OperationInfo{Name: "metadata", Summary: "what a video or sound holds, as JSON"}
}

// Outputs is one file of the input's whole name and .json.
func (metadata) Outputs(name string, _ job.Args) []string { return []string{name + ".json"} }

// facts is the JSON. Times are in seconds.
type facts struct {
	Format   string            `json:"format"`
	Duration float64           `json:"duration"`
	Claimed  float64           `json:"claimed_duration,omitempty"`
	Bytes    int64             `json:"bytes"`
	CutOff   string            `json:"cut_off,omitempty"` // what is missing
	Video    *videoFacts       `json:"video,omitempty"`
	Audio    []audioFacts      `json:"audio,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

type videoFacts struct {
	Codec       string       `json:"codec"`
	PixelFormat string       `json:"pixel_format"`
	Width       int          `json:"width"`
	Height      int          `json:"height"`
	FrameRate   ffmpeg.Ratio `json:"frame_rate"` // a fraction: 30000/1001
	Rate        float64      `json:"frames_per_second"`
	Variable    bool         `json:"variable_rate"`
	Frames      int          `json:"frames"`
	Duration    float64      `json:"duration"`
}

type audioFacts struct {
	Codec    string  `json:"codec"`
	Rate     int     `json:"sample_rate"`
	Channels int     `json:"channels"`
	Duration float64 `json:"duration"`
}

// Run writes what the file holds; what is cut off is told, and no error.
func (m metadata) Run(ctx context.Context, f *Files, args job.Args) error {
	in, err := f.Media()
	if err != nil {
		return err
	}
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(describe(info), "", "  ")
	if err != nil {
		return err
	}
	return f.Write(m.Outputs(f.Name(), args)[0], append(data, '\n'))
}

func describe(info *ffmpeg.Info) facts {
	all := facts{
		Format: info.Format, Duration: info.Duration.Seconds(), Claimed: info.Claimed.Seconds(), Bytes: info.Bytes, Tags: info.Tags,
	}
	if err := info.Whole(); err != nil {
		all.CutOff = err.Error()
	}
	if v := info.Video; v != nil {
		all.Video = &videoFacts{
			Codec: v.Codec, PixelFormat: v.PixelFormat, Width: v.Width, Height: v.Height, FrameRate: v.Rate, Rate: v.Rate.Float(),
			Variable: v.Variable, Frames: len(v.Times), Duration: v.Duration().Seconds(),
		}
	}
	for _, a := range info.Audio {
		all.Audio = append(all.Audio, audioFacts{Codec: a.Codec, Rate: a.Rate, Channels: a.Channels, Duration: a.Duration.Seconds()})
	}
	return all
}

// Native is false: FFmpeg has processes of its own, which can break nothing here.
func (metadata) Native() bool { return false }

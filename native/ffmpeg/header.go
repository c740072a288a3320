package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// headerBytes bounds what ffprobe may print about a file's streams.
const headerBytes = 4 << 20

// maxStreams bounds the streams of a file.
const maxStreams = 256

// header is ffprobe's JSON, as far as it is used.
type header struct {
	Streams []streamHeader `json:"streams"`
	Format  struct {
		Name     string            `json:"format_name"`
		Start    string            `json:"start_time"`
		Duration string            `json:"duration"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

type streamHeader struct {
	Index       int    `json:"index"`
	Type        string `json:"codec_type"`
	Codec       string `json:"codec_name"`
	PixelFormat string `json:"pix_fmt"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Pixel       string `json:"sample_aspect_ratio"`
	Matrix      string `json:"color_space"`
	Primaries   string `json:"color_primaries"`
	Transfer    string `json:"color_transfer"`
	Range       string `json:"color_range"`
	Real        string `json:"r_frame_rate"`
	Average     string `json:"avg_frame_rate"`
	TimeBase    string `json:"time_base"`
	Frames      string `json:"nb_frames"`
	SampleRate  string `json:"sample_rate"`
	Channels    int    `json:"channels"`
	BitRate     string `json:"bit_rate"`
	Disposition struct {
		Cover int `json:"attached_pic"`
	} `json:"disposition"`
	Tags     map[string]string `json:"tags"`
	SideData []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
}

// header asks for the streams of a file.
func (p Programs) header(ctx context.Context, in *os.File) (*header, error) {
	out := &bounded{room: headerBytes}
	err := p.do(ctx, run{
		program: "ffprobe", files: []*os.File{in}, out: out,
		args: append(inputArgs(0), "-show_streams", "-show_format", "-of", "json"),
	})
	if err != nil {
		return nil, err
	}
	var h header
	if err := json.Unmarshal(out.Bytes(), &h); err != nil {
		return nil, &Error{Program: "ffprobe", Err: fmt.Errorf("%w: its answer is no JSON", ErrNotMedia)}
	}
	return &h, nil
}

// info is what the header says; what has to be counted comes later.
func (h *header) info() (*Info, error) {
	if len(h.Streams) == 0 {
		return nil, &Error{Program: "ffprobe", Text: "there is no stream in it", Err: ErrNotMedia}
	}
	if len(h.Streams) > maxStreams {
		return nil, fmt.Errorf("%w: %d streams are more than %d", ErrTooLarge, len(h.Streams), maxStreams)
	}
	info := &Info{Format: h.Format.Name, Start: seconds(h.Format.Start), Tags: h.tags()}
	if !h.guesses() {
		info.Claimed = seconds(h.Format.Duration)
	}
	for _, s := range h.Streams {
		switch {
		case s.Type == "video" && s.Disposition.Cover == 0 && info.Video == nil:
			v, err := s.video()
			if err != nil {
				return nil, err
			}
			info.Video = v
		case s.Type == "audio":
			rate, _ := strconv.Atoi(s.SampleRate)
			bits, _ := strconv.ParseInt(s.BitRate, 10, 64)
			info.Audio = append(info.Audio, Audio{Stream: s.Index, Codec: s.Codec, Rate: rate, Channels: s.Channels, BitRate: bits, Language: s.language()})
		}
	}
	return info, nil
}

// guesses tells formats whose duration FFmpeg guesses by the length of the file.
func (h *header) guesses() bool {
	switch h.Format.Name {
	case "mp3", "aac", "ac3", "mpeg", "mpegts", "mpegvideo", "h264", "hevc", "m4v", "mjpeg", "ogg", "gif":
		return true
	}
	return false
}

// tags are those of the file, and of the first audio stream where the format keeps
// them there, as Ogg does.
func (h *header) tags() map[string]string {
	tags := map[string]string{}
	add := func(from map[string]string) {
		for name, value := range from {
			name = strings.ToLower(name)
			if _, has := tags[name]; !has {
				tags[name] = value
			}
		}
	}
	add(h.Format.Tags)
	if h.Format.Name == "ogg" {
		for _, s := range h.Streams {
			add(s.Tags)
		}
	}
	return tags
}

// wide is the matrix of BT.2020, that of HDR.
const wide = "bt2020nc"

// Wide tells a video whose colours are those of HDR.
func (v *Video) Wide() bool { return v.Matrix == wide }

// language is what MP4 has room for.
func (s streamHeader) language() string {
	word := s.Tags["language"]
	if len(word) != 3 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return word
}

func (s streamHeader) video() (*Video, error) {
	v := &Video{Stream: s.Index, Codec: s.Codec, PixelFormat: s.PixelFormat, Width: s.Width, Height: s.Height, Matrix: s.Matrix}
	if s.Matrix == wide {
		v.Primaries, v.Transfer = s.Primaries, s.Transfer
	}
	if pixel, err := ParseRatio(strings.Replace(s.Pixel, ":", "/", 1)); err == nil {
		v.Pixel = pixel
	}
	if s.Width < 1 || s.Height < 1 {
		return nil, &Error{Program: "ffprobe", Err: fmt.Errorf("%w: its pictures have no size", ErrNotMedia)}
	}
	if int64(s.Width)*int64(s.Height) > MaxPixels {
		return nil, fmt.Errorf("%w: its %d × %d pixels are more than the %d that are allowed", ErrTooLarge, s.Width, s.Height, MaxPixels)
	}
	for _, side := range s.SideData {
		if quarter := math.Mod(math.Abs(side.Rotation), 180); quarter > 45 && quarter < 135 {
			v.Width, v.Height = v.Height, v.Width
			v.Pixel = Ratio{v.Pixel.Den, v.Pixel.Num}
		}
	}
	var err error
	if v.TimeBase, err = ParseRatio(s.TimeBase); err != nil {
		return nil, &Error{Program: "ffprobe", Err: fmt.Errorf("%w: time base: %w", ErrNotMedia, err)}
	}
	if v.Rate, err = ParseRatio(s.Average); err != nil {
		v.Rate, _ = ParseRatio(s.Real)
	}
	v.Counted, _ = strconv.ParseInt(s.Frames, 10, 64)
	v.Planar = s.planar()
	return v, nil
}

// planar tells frames that need not be made blue, green and red by FFmpeg.
func (s streamHeader) planar() bool {
	switch s.Matrix {
	case "", "unknown", "bt709", "smpte170m", "bt470bg":
	default:
		return false
	}
	return s.PixelFormat == "yuv420p" && s.Range != "pc" && s.Width%2+s.Height%2 == 0
}

// seconds reads "12.345000"; what is none is 0.
func seconds(text string) time.Duration {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(value) > math.MaxInt64/2e9 {
		return 0
	}
	return time.Duration(value * float64(time.Second))
}

// bounded keeps what is written to it, and fails when that is too much.
type bounded struct {
	bytes.Buffer
	room int
}

var errTooMuch = errors.New("it says too much about the file")

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.room-b.Len() {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}

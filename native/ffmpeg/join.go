package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Joining says how segments become one video.
type Joining struct {
	// Segments are videos that Encode made with one Encoding, in their order.
	Segments []*os.File
	// Lengths are the segments' durations in ticks of Base, for a variable rate; nil
	// where the rate is constant.
	Lengths []int64
	// Base is the seconds of one tick of Lengths.
	Base Ratio
	// Rate is frames a second where the rate is constant.
	Rate Ratio
	// Sound, where not nil, is the file whose audio and tags the video gets, Info what
	// it holds, at least by its header, and Begin when its first frame is shown, on its
	// own clock.
	Sound *os.File
	Info  *Info
	Begin time.Duration
}

// MaxSegments bounds the segments of one video: each is an open file.
const MaxSegments = 512

// playable are the codecs of audio that browsers play in MP4; others become AAC.
var playable = []string{"aac", "mp3", "opus", "flac"}

// mostChannels are those of 7.1 sound, above which browsers play none.
const mostChannels = 8

// Join makes one MP4 of segments without decoding them, in the file out, which is
// emptied. The audio keeps its place in time; what browsers do not play in an MP4 is
// encoded again as AAC. Errors: ErrMissing, ErrTooLarge (more than [MaxSegments]), the
// context's own.
func (p Programs) Join(ctx context.Context, out *os.File, j Joining) error {
	if n := len(j.Segments); n < 1 || n > MaxSegments {
		return fmt.Errorf("%w: %d segments are not from 1 to %d", ErrTooLarge, n, MaxSegments)
	}
	list, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer list.Close()
	defer ours.Close()
	written := make(chan error, 1)
	go func() {
		_, err := ours.WriteString(j.list())
		written <- errors.Join(err, ours.Close())
	}()
	files := append([]*os.File{list, out}, j.Segments...)
	if j.Sound != nil {
		files = append(files, j.Sound)
	}
	err = p.do(ctx, run{program: "ffmpeg", files: files, args: j.args()})
	list.Close() // whoever still writes to it ends
	if wrong := <-written; err == nil && wrong != nil {
		return wrong
	}
	return err
}

// list names the segments for FFmpeg's concat demuxer.
func (j Joining) list() string {
	var b strings.Builder
	b.WriteString("ffconcat version 1.0\n")
	for i := range j.Segments {
		fmt.Fprintf(&b, "file 'file:%s'\n", openName(2+i))
		if j.Lengths != nil {
			fmt.Fprintf(&b, "duration %s\n", strconv.FormatFloat(float64(j.Lengths[i])*j.Base.Float(), 'f', 6, 64))
		}
	}
	return b.String()
}

func (j Joining) args() []string {
	// a segment comes from a node: one that is itself a list of files opens none
	args := []string{"-f", "concat", "-safe", "0", "-protocol_whitelist", protocols, "-format_whitelist", "concat,mov"}
	if j.Sound != nil && j.Info.Video != nil {
		late := j.Begin - j.Info.Start
		args = append(args, "-itsoffset", strconv.FormatFloat(late.Seconds(), 'f', 6, 64))
	}
	args = append(args, "-i", "pipe:3")
	if j.Sound != nil {
		args = append(args, inputArgs(2+len(j.Segments))...)
	}
	args = append(args, "-map", "0:v:0", "-c:v", "copy")
	if j.Lengths == nil {
		// the concat demuxer counts in microseconds; frames are where the rate says
		scale := j.Rate.timescale()
		step := scale / j.Rate.Num * j.Rate.Den
		first := "0"
		if j.Sound != nil {
			first = "STARTPTS"
		}
		args = append(args, "-bsf:v", fmt.Sprintf("setts=pts=%s+N*%d:dts=%s+N*%d:duration=%d", first, step, first, step, step),
			"-video_track_timescale", strconv.FormatInt(scale, 10))
	} else {
		args = append(args, "-video_track_timescale", strconv.Itoa(fineTicks))
	}
	args = append(args, "-map_metadata", "-1")
	if j.Sound != nil {
		args = append(args, "-map_metadata", "1:g", "-map_chapters", "-1")
		args = append(args, j.sound()...)
	}
	return append(args, "-max_interleave_delta", "0", "-strict", "-2", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", "file:"+openName(1))
}

// sound is what becomes of each audio stream.
func (j Joining) sound() (args []string) {
	for i, a := range j.Info.Audio {
		args = append(args, "-map", fmt.Sprintf("1:%d", a.Stream))
		codec := "copy"
		if !slices.Contains(playable, a.Codec) {
			codec = "aac"
			if a.Channels > mostChannels {
				args = append(args, fmt.Sprintf("-ac:a:%d", i), "2")
			}
		}
		args = append(args, fmt.Sprintf("-c:a:%d", i), codec)
		if a.Language != "" {
			args = append(args, fmt.Sprintf("-metadata:s:a:%d", i), "language="+a.Language)
		}
	}
	return args
}

package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"spillway/computenode/operation"
	"spillway/job"
	"spillway/native/ffmpeg"
)

// Here does the work in this process: videos with FFmpeg's programs, pictures with
// OpenCV, faces with dlib. It may be used concurrently.
type Here struct {
	// Programs runs FFmpeg.
	Programs ffmpeg.Programs
	// Faces finds faces; nil: this node cannot.
	Faces *operation.Executor
}

var _ Native = Here{}

// Metadata implements [Native]. A file without moving pictures is no video.
func (h Here) Metadata(ctx context.Context, path string) (job.VideoInfo, error) {
	in, info, err := h.open(ctx, path)
	if err != nil {
		return job.VideoInfo{}, explain(path, err)
	}
	defer in.Close()
	v := info.Video
	return job.VideoInfo{
		Rate: job.Rate(v.Rate), Duration: v.Duration(), Width: v.Width, Height: v.Height,
		Codec: v.Codec, Frames: int64(len(v.Times)), Audio: len(info.Audio) > 0,
	}, nil
}

// open opens a video and looks at it; the caller closes it.
func (h Here) open(ctx context.Context, path string) (*os.File, *ffmpeg.Info, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := h.Programs.Probe(ctx, in)
	if err == nil && (info.Video == nil || len(info.Video.Times) == 0) {
		err = ffmpeg.ErrNoVideo
	}
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, info, nil
}

// Extract implements [Native]. The picture of a moment is the frame that is shown then.
func (h Here) Extract(ctx context.Context, path, dir string, e job.Extraction) (int, error) {
	n, err := h.extract(ctx, path, dir, e)
	return n, explain(path, err)
}

func (h Here) extract(ctx context.Context, path, dir string, e job.Extraction) (int, error) {
	in, info, err := h.open(ctx, path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	s := ffmpeg.Sampling{Rate: ffmpeg.Ratio(e.Rate), From: e.From, Length: e.Duration}
	count := s.Count(info.Video)
	switch {
	case count == 0:
		return 0, nil
	case count > job.MaxFrames:
		return 0, job.E(job.ResourceExhausted, "", fmt.Errorf("%d pictures are more than %d", count, job.MaxFrames), "extract a part of it, or fewer pictures a second")
	}
	pictures, err := h.Programs.Images(ctx, in, info.Video, s)
	if err != nil {
		return 0, err
	}
	defer pictures.Close()
	for n := 0; ; n++ {
		data, err := pictures.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)+".png"), data, 0o644); err != nil {
			return 0, err
		}
	}
}

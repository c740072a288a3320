package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"time"

	"spillway/bench/load"
	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// defaultClip comes with Debian's opencv-doc.
const defaultClip = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"

// plainVideo is what video:edges is measured against: one process that pipes the frames
// of a video from FFmpeg through OpenCV into FFmpeg, each with as many threads as there
// are cores.
func plainVideo(ctx context.Context, what load.PlainPipeline, stdout io.Writer) error {
	start := time.Now()
	source, err := os.Open(what.In)
	if err != nil {
		return job.E(job.InvalidArgument, load.PlainVideo, err, "name a video")
	}
	defer source.Close()
	target, err := os.Create(what.Out)
	if err != nil {
		return unwritable(what.Out, err)
	}
	defer target.Close()
	var p ffmpeg.Programs
	info, err := p.Header(ctx, source)
	if err == nil && info.Video == nil {
		err = ffmpeg.ErrNoVideo
	}
	if err != nil {
		return err
	}
	info.Video.Planar = info.Video.Planar && what.Planes
	frames, err := p.Frames(ctx, source, info.Video, info.Video.All(), true)
	if err != nil {
		return err
	}
	defer frames.Close()
	how := info.Video.Like()
	how.Threads = runtime.NumCPU()
	writer, err := p.Encode(ctx, target, how)
	if err != nil {
		return err
	}
	defer writer.Close()
	n, err := drawAll(frames, writer, info.Video)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(load.Plain{Images: n, Seconds: time.Since(start).Seconds()})
}

// drawAll draws the edges of every frame.
func drawAll(frames *ffmpeg.FrameReader, writer *ffmpeg.FrameWriter, v *ffmpeg.Video) (n int, err error) {
	src, err := opencv.NewFrame(v.Width, v.Height)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	pixels := make([]byte, v.FrameBytes())
	for ; ; n++ {
		at, err := frames.Next(pixels)
		if errors.Is(err, io.EOF) {
			return n, writer.Finish()
		}
		if err != nil {
			return n, err
		}
		if err := loadFrame(src, pixels, v); err != nil {
			return n, err
		}
		if err := opencv.DrawEdges(src); err != nil {
			return n, err
		}
		if pixels, err = storeFrame(src, pixels[:0], v); err != nil {
			return n, err
		}
		if err := writer.Write(at, pixels); err != nil {
			return n, err
		}
	}
}

// loadFrame makes a picture of a frame.
func loadFrame(im *opencv.Image, pixels []byte, v *ffmpeg.Video) error {
	if v.Planar {
		return im.LoadPlanes(pixels, matrixOf(v))
	}
	return im.Load(pixels)
}

// storeFrame appends the frame of a picture to into.
func storeFrame(im *opencv.Image, into []byte, v *ffmpeg.Video) ([]byte, error) {
	if v.Planar {
		return im.StorePlanes(into, matrixOf(v))
	}
	return im.Store(into)
}

func matrixOf(v *ffmpeg.Video) opencv.Matrix {
	if v.Matrix == "bt709" {
		return opencv.BT709
	}
	return opencv.BT601
}

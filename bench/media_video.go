package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"spillway/bench/load"
	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// defaultClip comes with Debian's opencv-doc.
const defaultClip = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"

// videoTarget is the least speed beside the plain pipeline.
const videoTarget = 1.0

// mediaVideo measures frames/s of video:edges.
func mediaVideo(ctx context.Context, c mediaConfig, stdout, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg := load.FramesConfig{
		Bin: filepath.Dir(self), Self: self, Clip: c.clip, Pairs: c.pairs, Planes: c.planes,
		Say: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) },
	}
	turns, err := load.MeasureFrames(ctx, cfg)
	if err != nil {
		return err
	}
	ratio := load.MedianOfFrames(turns)
	verdict := "ok"
	if ratio < videoTarget {
		verdict = "short"
	}
	var plain, ours, plainCPU, oursCPU float64
	for _, t := range turns {
		plain, ours = plain+t.Plain.Seconds(), ours+t.Ours.Seconds()
		plainCPU, oursCPU = plainCPU+t.PlainCPU.Seconds(), oursCPU+t.OursCPU.Seconds()
	}
	frames := float64(turns[0].Frames * len(turns))
	fmt.Fprintf(stdout, "video %s ratio=%.3f target=%.2f spillway=%.1f/s plain=%.1f/s cpu=%.1fms plain_cpu=%.1fms frames=%d turns=%d cores=%d\n",
		verdict, ratio, videoTarget, frames/ours, frames/plain, 1000*oursCPU/frames, 1000*plainCPU/frames, turns[0].Frames, len(turns), runtime.NumCPU())
	if verdict != "ok" {
		return errShort
	}
	return nil
}

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

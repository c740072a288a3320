package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// explain makes every error a job.Error that names the file; nil stays nil.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	op := job.Shown(filepath.Base(path))
	if done, ok := errors.AsType[*job.Error](err); ok {
		if done.Op == "" {
			return job.E(done.Code, op, done.Err, done.Hint)
		}
		return done
	}
	for _, row := range rows() {
		for _, is := range row.is {
			if errors.Is(err, is) {
				return job.E(row.code, op, row.words(err), row.hint)
			}
		}
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return job.E(job.Unavailable, op, fmt.Errorf("the node's disk gave an error: %w", p.Err), "check the node's disk")
	}
	return job.E(job.Internal, op, err, "try another file, or another version of FFmpeg or OpenCV on the node")
}

var errDisk = errors.New("the node's disk is full")

// row is what some errors mean.
type row struct {
	is   []error
	code job.Code
	why  error // nil: what the error says
	hint string
}

func (r row) words(err error) error {
	if r.why != nil {
		return r.why
	}
	return err
}

func rows() []row {
	const build = "run make build on the node, or start it from bin/"
	return []row{
		{[]error{context.Canceled}, job.CancelledCode, nil, ""},
		{[]error{context.DeadlineExceeded}, job.DeadlineExceeded, nil, ""},
		{[]error{syscall.ENOSPC, syscall.EDQUOT}, job.ResourceExhausted, errDisk, "free some space on the node's disk"},
		{[]error{fs.ErrNotExist}, job.NotFound, errors.New("there is no such file any more"), "put it again"},
		{[]error{ffmpeg.ErrMissing}, job.Unimplemented, errors.New("this node has no FFmpeg"), ffmpeg.InstallHint},
		{[]error{ffmpeg.ErrNotMedia, ffmpeg.ErrNoVideo, ffmpeg.ErrNoAudio, ffmpeg.ErrTooLarge}, job.InvalidArgument, nil, "use another file, or convert it"},
		{[]error{ffmpeg.ErrCut, ffmpeg.ErrDamaged}, job.DataLoss, nil, "put it again, or convert it"},
		{[]error{opencv.ErrUnavailable, dlib.ErrUnavailable}, job.Unimplemented, nil, build},
		{[]error{dlib.ErrProcessor}, job.Unimplemented, nil, "build the node's program without the tag dlib_avx2"},
		{[]error{opencv.ErrUndecodable}, job.InvalidArgument, errors.New("it is no picture that OpenCV can read"), "open it in another program and save it again"},
		{[]error{opencv.ErrUnencodable}, job.InvalidArgument, errors.New("OpenCV cannot write such a picture"), "name it as in 12.1.png"},
		{[]error{opencv.ErrTooLarge}, job.InvalidArgument, errors.New("the picture has more pixels than are allowed"), "make the picture smaller"},
		{[]error{opencv.ErrMemory, dlib.ErrMemory}, job.Internal, errors.New("there is not enough memory"), "raise the node's --memory, or make the picture smaller"},
	}
}

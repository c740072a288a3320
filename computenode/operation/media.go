package operation

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// MaxMediaBytes bounds the size of a video or sound, which is never held in memory.
const MaxMediaBytes = 64 << 30

// partial is an operation that can do a part of its input as a task of its own.
type partial interface {
	// PartOutputs names every file that Run may write for a part of an input; those
	// that are to be joined are the part's [job.Part.Segment].
	PartOutputs(id job.ID, p job.Part, args job.Args) []string
}

// outputs names what a request may write. Errors: InvalidArgument.
func outputs(op Operation, r Request, args job.Args) ([]string, error) {
	p, isPart := job.ParsePart(r.Name)
	if !isPart {
		return op.Outputs(r.Name, args), nil
	}
	parts, ok := op.(partial)
	if !ok {
		return nil, job.E(job.InvalidArgument, "run "+op.Info().Name+" on "+p.String(), errors.New("it works on whole files only"), "")
	}
	id, _, _ := strings.Cut(r.Token, "/")
	return parts.PartOutputs(job.ID(id), p, args), nil
}

// stem is a file's name without its ending.
func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// Part is the part of the input that is to be done; false: all of it.
func (f *Files) Part() (job.Part, bool) { return job.ParsePart(f.request.Name) }

// Media opens the input, however large it is. It is closed when the run ends.
// Errors: *job.Error.
func (f *Files) Media() (*os.File, error) {
	file, info, err := f.openInput(f.checkMedia)
	if err != nil {
		return nil, err
	}
	f.opened = append(f.opened, file)
	f.inBytes = info.Size()
	return file, nil
}

// Create begins one of the announced outputs, under its temporary name. It is closed
// when the run ends. Errors: *job.Error.
func (f *Files) Create(name string) (*os.File, error) {
	file, err := f.begin(name)
	if err == nil {
		f.opened = append(f.opened, file)
	}
	return file, err
}

// drop takes back an output that was only a step on the way.
func (f *Files) drop(name string) {
	for at, out := range f.written {
		if out.Name == name {
			_ = f.folder.Remove(path.Join(job.OutputDir, out.Temp))
			f.written = slices.Delete(f.written, at, at+1)
			return
		}
	}
}

// outBytes is the size of what the run wrote.
func (f *Files) outBytes() (all int64) {
	for _, out := range f.written {
		if info, err := f.folder.Stat(path.Join(job.OutputDir, out.Temp)); err == nil {
			all += info.Size()
		}
	}
	return all
}

// explainMedia makes an error of package ffmpeg one for people; nil: it is none.
func explainMedia(op string, err error) *job.Error {
	switch {
	case errors.Is(err, ffmpeg.ErrMissing):
		return job.E(job.Unimplemented, op, plain{"this node has no FFmpeg", err}, ffmpeg.InstallHint+" on the node")
	case errors.Is(err, ffmpeg.ErrNoVideo), errors.Is(err, ffmpeg.ErrNoAudio):
		return job.E(job.InvalidArgument, op, err, "take it out of input_dir, or use an operation for what it holds")
	case errors.Is(err, ffmpeg.ErrNotMedia):
		return job.E(job.InvalidArgument, op, plain{words(ffmpeg.ErrNotMedia, err), err}, "copy it again if it was cut off, convert it, or take it out of input_dir")
	case errors.Is(err, ffmpeg.ErrTooLarge):
		return job.E(job.InvalidArgument, op, err, "make it smaller")
	case errors.Is(err, ffmpeg.ErrCut):
		return job.E(job.DataLoss, op, err, "copy it again from where it came")
	case errors.Is(err, ffmpeg.ErrDamaged):
		return job.E(job.DataLoss, op, plain{words(ffmpeg.ErrDamaged, err), err}, "copy it again from where it came, or convert it")
	}
	e, ok := errors.AsType[*ffmpeg.Error](err)
	switch {
	case !ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(e, syscall.ENOSPC):
		return job.E(job.Unavailable, op, plain{"the node's disk is full", err}, "free some space there; another node may have room")
	}
	return job.E(job.Internal, op, err, "look at the node's FFmpeg: another version may do better")
}

// words are what is wrong, with what the program says of it.
func words(what, err error) string {
	if e, ok := errors.AsType[*ffmpeg.Error](err); ok && e.Text != "" {
		return what.Error() + " (" + e.Text + ")"
	}
	return err.Error()
}

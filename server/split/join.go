package split

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"spillway/confine"
	"spillway/job"
	"spillway/native/ffmpeg"
)

// Joiner joins what became of parts, in folders below its roots. It may be used
// concurrently.
type Joiner struct {
	Roots confine.Roots
}

// Joins tells whether an operation's parts are to be joined.
func (Joiner) Joins(op job.Operation) bool {
	_, ok := kindOf(op).(joiner)
	return ok
}

// Join makes the outputs of one input of the segments of all its parts, and tells how many
// bytes they have. The segments are left where they are: joined again, they give the same. An output has its name only when all
// are whole. Errors: *job.Error, naming the input; Unavailable where another time may do.
func (t Joiner) Join(ctx context.Context, base string, id job.ID, op job.Operation, parts []job.Part) (written int64, err error) {
	k, ok := kindOf(op).(joiner)
	if !ok || len(parts) == 0 {
		return 0, nil
	}
	folder, err := t.Roots.Open(base)
	if err != nil {
		return 0, explain(base, t.Roots, k, err)
	}
	defer folder.Close()
	name := parts[0].File
	j := joining{parts: parts, input: func(name string) (*os.File, error) { return inputOf(folder, name) }}
	defer j.close()
	if j.source, err = j.input(name); err != nil {
		return 0, err
	}
	for _, p := range parts {
		segment, err := folder.Open(path.Join(job.OutputDir, p.Segment(id)))
		if err != nil {
			return 0, lostSegment(p, err)
		}
		j.segments = append(j.segments, segment)
	}
	outs := k.outputs(name)
	var temps []string
	defer func() {
		for _, temp := range temps { // those that have their name are not there any more
			_ = folder.Remove(temp)
		}
	}()
	for i, out := range outs {
		temps = append(temps, path.Join(job.OutputDir, job.TempPrefix(id)+rand.Text()[:16]+".part"))
		file, err := folder.Create(temps[i])
		if err != nil {
			return 0, writing(out, err)
		}
		j.outs = append(j.outs, file)
	}
	if err := k.join(ctx, j); err != nil {
		return 0, notJoined(name, err)
	}
	for i, out := range outs {
		if info, err := j.outs[i].Stat(); err == nil { // the number is only told
			written += info.Size()
		}
		if err := folder.Rename(temps[i], path.Join(job.OutputDir, out)); err != nil {
			return written, writing(out, err)
		}
	}
	return written, nil
}

// inputOf opens a file of input_dir. Errors: *job.Error.
func inputOf(folder *confine.Folder, name string) (*os.File, error) {
	if err := confine.CheckName(name); err != nil {
		return nil, reading(name, err)
	}
	file, err := folder.Open(path.Join(job.InputDir, name))
	if err != nil {
		return nil, reading(name, err)
	}
	return file, nil
}

func (j *joining) close() {
	for _, file := range append(append(j.segments, j.source), j.outs...) {
		if file != nil {
			file.Close()
		}
	}
}

func lostSegment(p job.Part, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return job.E(job.FailedPrecondition, "join "+job.Shown(p.File), fmt.Errorf("what became of part %d of %d is gone", p.Number, p.Of),
			"leave the files whose names start with "+job.HiddenPrefix+" in output_dir alone while a job runs, and submit it again")
	}
	return job.E(job.Unavailable, "join "+job.Shown(p.File), reason(err), "check the server's disk")
}

// notJoined is the error of a kind's join.
func notJoined(name string, err error) error {
	op := "join " + job.Shown(name)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ffmpeg.ErrMissing):
		return missing(op, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return writing(name, err)
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	return job.E(job.DataLoss, op, err, "leave the input alone while a job runs, and submit it again")
}

// missing is for a server without FFmpeg.
func missing(op string, err error) error {
	return job.E(job.FailedPrecondition, op, fmt.Errorf("the server has no FFmpeg: %w", err), ffmpeg.InstallHint+" where the server runs")
}

// openInput opens an input for a plan; what is no file is for the node to name.
func (s *Source) openInput(name string) (*os.File, error) {
	file := path.Join(job.InputDir, name)
	info, err := s.folder.Stat(file) // before opening: to open a pipe might block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return s.folder.Open(file)
}

package files

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"

	"spillway/job"
)

// Extract implements [job.Media].
func (d *Desk) Extract(ctx context.Context, e job.Extraction) (names []string, err error) {
	if err := checkExtraction(e); err != nil {
		return nil, err
	}
	var n int
	var first int64
	err = d.make(ctx, e.Name, opExtract, func(ctx context.Context, in, folder string) error {
		if first, err = d.firstFrame(ctx, in, e); err != nil {
			return err
		}
		n, err = d.cfg.Native.Extract(ctx, in, folder, e)
		return err
	}, func(folder string) error {
		names, err = d.shelve(folder, e, first, n)
		return err
	})
	return names, err
}

// checkExtraction reports what cannot be asked for. Errors: InvalidArgument.
func checkExtraction(e job.Extraction) error {
	if err := job.CheckFileName(e.Name); err != nil {
		return err
	}
	if e.From < 0 || e.Duration < 0 {
		return job.E(job.InvalidArgument, "extract images", errors.New("a time is negative"), "use seconds from the video's beginning")
	}
	if !e.Rate.IsZero() {
		if err := e.Rate.Check(); err != nil {
			return err
		}
	}
	video, _ := job.FrameOf(e.Name)
	return job.CheckFileName(job.FrameName(video, math.MaxInt64))
}

// firstFrame is the number of the first picture: that of its time, so that parts that
// are extracted one by one fit together.
func (d *Desk) firstFrame(ctx context.Context, in string, e job.Extraction) (int64, error) {
	rate := e.Rate
	if e.From == 0 {
		return 0, nil
	}
	if rate.IsZero() {
		v, err := d.cfg.Native.Metadata(ctx, in)
		if err != nil {
			return 0, err
		}
		rate = v.Rate
	}
	return int64(math.Round(e.From.Seconds() * rate.Float())), nil
}

// shelve gives n pictures in folder their names: all, or none.
func (d *Desk) shelve(folder string, e job.Extraction, first int64, n int) (names []string, err error) {
	op := "extract " + job.Shown(e.Name)
	made, err := d.cfg.Space.List(folder)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, f := range made {
		total += f.Size
	}
	switch room := d.cfg.Space.Room(); {
	case n == 0:
		return nil, job.E(job.InvalidArgument, op, errors.New("there is no picture in that part of it"), "look how long it is with: client node NAME metadata FILE")
	case len(made) != n:
		return nil, job.E(job.Internal, op, fmt.Errorf("%d pictures were made and %d are there", n, len(made)), "extract it again")
	case total > room:
		return nil, d.full(op)
	}
	video, _ := job.FrameOf(e.Name)
	for i := range n {
		name := job.FrameName(video, first+int64(i))
		if err := d.cfg.Space.Move(path.Join(folder, strconv.Itoa(i)+".png"), path.Join(shelf, name)); err != nil {
			for _, moved := range names {
				d.clear(path.Join(shelf, moved))
			}
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// createVideo makes a video of a sequence of pictures, <name>.<number>.png and so on, in
// the order of their numbers. The task's file is the first of them; the node must see
// the others, too.
type createVideo struct{}

var (
	_ Operation = createVideo{}
	_ partial   = createVideo{}
)

// Info describes the operation.
func (createVideo) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.CreateVideo, Summary: "a video of numbered pictures, <name>.<number>.png", Params: []job.ParamInfo{
		{Name: "rate", Kind: job.FloatParam, Default: "25", Min: 0.1, Max: 1000, Summary: "frames a second"},
	}}
}

// Outputs is empty: what is no sequence is refused.
func (createVideo) Outputs(string, job.Args) []string { return nil }

// PartOutputs is an MP4 of the sequence's name.
func (createVideo) PartOutputs(_ job.ID, p job.Part, _ job.Args) []string {
	first, ok := job.ParsePicture(p.File)
	if !ok {
		return nil
	}
	return []string{first.Sequence + ".mp4"}
}

// Run encodes one picture after another.
func (createVideo) Run(ctx context.Context, f *Files, args job.Args) error {
	p, isPart := f.Part()
	if !isPart || len(f.allowed) == 0 {
		return job.E(job.InvalidArgument, "read "+shown(job.InputDir, f.Name()), errors.New("its name has no number"), "name the pictures NAME.NUMBER.png, or remove it")
	}
	names, err := f.sequence(p)
	if err != nil {
		return err
	}
	rate, err := ffmpeg.ParseRatio(strconv.FormatFloat(args.Float("rate"), 'f', -1, 64))
	if err != nil {
		return job.E(job.InvalidArgument, "rate", err, "")
	}
	out, err := f.Create(f.allowed[0])
	if err != nil {
		return err
	}
	var writer *ffmpeg.FrameWriter
	var width, height int
	var pixels []byte
	for i, name := range names {
		im, err := f.picture(ctx, name)
		if err != nil {
			return err
		}
		if writer == nil {
			width, height = im.Width(), im.Height()
			writer, err = programs().Encode(ctx, out, ffmpeg.Encoding{Width: width, Height: height, Rate: rate})
			if err != nil {
				im.Close()
				return err
			}
			defer writer.Close()
		}
		if im.Width() != width || im.Height() != height {
			err = job.E(job.InvalidArgument, "read "+shown(job.InputDir, name), fmt.Errorf("it has %d × %d pixels, and the first of the sequence %d × %d", im.Width(), im.Height(), width, height), "make them one size with resize")
		} else {
			pixels, err = im.Store(pixels[:0])
		}
		im.Close()
		if err != nil {
			return err
		}
		if err := writer.Write(int64(i), pixels); err != nil {
			return err
		}
	}
	return writer.Finish()
}

// sequence lists the pictures of a part in order. Errors: Unimplemented where the node
// does not see all of them; another may.
func (f *Files) sequence(p job.Part) ([]string, error) {
	folder, err := f.open()
	if err != nil {
		return nil, err
	}
	dir, err := folder.Open(job.InputDir)
	if err != nil {
		return nil, f.missing(err)
	}
	defer dir.Close()
	first, _ := job.ParsePicture(p.File)
	type numbered struct {
		number int64
		name   string
	}
	var found []numbered
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if one, ok := job.ParsePicture(name); ok && one.Of(first) && one.Number >= p.From && one.Number < p.To {
				found = append(found, numbered{one.Number, name})
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, f.trouble.read(p.File, err)
		}
	}
	if int64(len(found)) != p.Count {
		return nil, job.E(job.Unimplemented, "read "+shown(job.InputDir, first.Sequence+".*"+first.Ext),
			fmt.Errorf("this node sees %d of its %d pictures", len(found), p.Count), "use a node that sees the job's folder, and leave the pictures alone while the job runs")
	}
	slices.SortFunc(found, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	var names []string
	for _, one := range found {
		names = append(names, one.name)
	}
	return names, nil
}

// picture reads one picture of input_dir, which the caller closes.
func (f *Files) picture(ctx context.Context, name string) (*opencv.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	one := &Files{trouble: f.trouble, request: f.request, buffer: f.buffer, folder: f.folder}
	one.request.Name = name
	im, err := one.Image(ctx)
	f.inBytes += one.inBytes
	return im, err
}

package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/native/opencv"
)

// createVideo makes a video of a sequence of pictures, <name>.<number>.png and so on, in
// the order of their numbers. A part is a run of them, and becomes a segment, which the
// server joins. The task's file is the first of all, which has the size of the video; the
// node must see the others, too.
type createVideo struct{}

var (
	_ Operation = createVideo{}
	_ partial   = createVideo{}
)

// Info describes the operation.
func (createVideo) Info() job.OperationInfo {
	return job.OperationInfo{Name: job.CreateVideo, Summary: "a video of numbered pictures, <name>.<number>.png", Params: []job.ParamInfo{
		{Name: "rate", Kind: job.FloatParam, Default: strconv.Itoa(job.DefaultRate), Min: 0.1, Max: 1000, Summary: "frames a second; 29.97 is 30000/1001"},
		{Name: "audio", Kind: job.NameParam, Summary: "file in input_dir whose sound the video gets"},
	}}
}

// Outputs is empty: what is no sequence is refused.
func (createVideo) Outputs(string, job.Args) []string { return nil }

// PartOutputs is the part's segment.
func (createVideo) PartOutputs(id job.ID, p job.Part, _ job.Args) []string {
	if _, ok := job.ParsePicture(p.File); !ok {
		return nil
	}
	return []string{p.Segment(id)}
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
	if err := f.hasSound(args["audio"]); err != nil {
		return err
	}
	out, err := f.Create(f.allowed[0])
	if err != nil {
		return err
	}
	e := &sequenceEncoder{out: out, rate: ffmpeg.Ratio(job.CreateRate(args["rate"]))}
	defer e.close()
	if names[0] != p.File {
		if err := e.measure(ctx, f, p.File); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := e.add(ctx, f, name); err != nil {
			return err
		}
	}
	return e.writer.Finish()
}

// sequenceEncoder encodes pictures of one size.
type sequenceEncoder struct {
	out           *os.File
	rate          ffmpeg.Ratio
	writer        *ffmpeg.FrameWriter // nil before the first picture
	width, height int                 // 0: that of the first picture
	pixels        []byte
}

// measure takes the size of the picture called name for that of all.
func (e *sequenceEncoder) measure(ctx context.Context, f *Files, name string) error {
	im, err := f.picture(ctx, name)
	if err != nil {
		return err
	}
	defer im.Close()
	e.width, e.height = im.Width(), im.Height()
	return nil
}

// add encodes the picture called name.
func (e *sequenceEncoder) add(ctx context.Context, f *Files, name string) error {
	im, err := f.picture(ctx, name)
	if err != nil {
		return err
	}
	defer im.Close()
	if e.width == 0 {
		e.width, e.height = im.Width(), im.Height()
	}
	if im.Width() != e.width || im.Height() != e.height {
		return job.E(job.InvalidArgument, "read "+shown(job.InputDir, name),
			fmt.Errorf("it has %d × %d pixels, and the first of the sequence %d × %d", im.Width(), im.Height(), e.width, e.height), "make them one size with resize")
	}
	if e.writer == nil {
		how := ffmpeg.Encoding{Width: e.width, Height: e.height, Rate: e.rate}
		if e.writer, err = programs().Encode(ctx, e.out, how); err != nil {
			return err
		}
	}
	if e.pixels, err = im.Store(e.pixels[:0]); err != nil {
		return err
	}
	return e.writer.Write(e.writer.Frames(), e.pixels)
}

func (e *sequenceEncoder) close() {
	if e.writer != nil {
		e.writer.Close()
	}
}

// hasSound refuses a file for the sound that is not there, before any picture is encoded;
// the server reads it when it joins. "" is none.
func (f *Files) hasSound(name string) error {
	if name == "" {
		return nil
	}
	folder, err := f.open()
	if err != nil {
		return err
	}
	if _, err := folder.Stat(path.Join(job.InputDir, name)); err != nil {
		return job.E(job.NotFound, "read "+shown(job.InputDir, name), errors.New("there is no such file"), "name a file of "+job.InputDir+" with audio=NAME")
	}
	return nil
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

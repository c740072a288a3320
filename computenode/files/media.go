package files

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"strings"

	"spillway/job"
)

// The names of the calls as View and the log tell them.
const (
	opMetadata = "video_metadata"
	opExtract  = "extract_images"
	opCreate   = "create_video"
	opDetect   = "detect_face"
	opMesh     = "draw_mesh"
)

// defaultRate is that of a video whose creator asks for none.
func defaultRate() job.Rate { return job.Rate{Num: 25, Den: 1} }

// Metadata implements [job.Media].
func (d *Desk) Metadata(ctx context.Context, name string) (v job.VideoInfo, err error) {
	err = d.work(ctx, name, opMetadata, func(path string) error {
		v, err = d.cfg.Native.Metadata(ctx, path)
		return err
	})
	return v, err
}

// DetectFace implements [job.Media].
func (d *Desk) DetectFace(ctx context.Context, name string) (face []job.Point, err error) {
	err = d.work(ctx, name, opDetect, func(path string) error {
		face, err = d.cfg.Native.DetectFace(ctx, path)
		return err
	})
	return face, err
}

// work does something with a file that is there, in a slot.
func (d *Desk) work(ctx context.Context, name, operation string, do func(path string) error) error {
	if err := d.present(ctx, name); err != nil {
		return err
	}
	leave, err := d.enter(ctx, name, operation)
	if err != nil {
		return err
	}
	defer leave()
	return do(d.abs(path.Join(shelf, name)))
}

// present reports whether a file is there. Errors: InvalidArgument, NotFound,
// Unavailable.
func (d *Desk) present(ctx context.Context, name string) error {
	file, _, err := d.Open(ctx, name)
	if err == nil {
		file.Close()
	}
	return err
}

// make is work that writes files into a folder of its own, which is gone afterwards;
// keep moves out of it what should stay.
func (d *Desk) make(ctx context.Context, name, operation string, do func(ctx context.Context, path, folder string) error, keep func(folder string) error) error {
	return d.work(ctx, name, operation, func(path string) error {
		folder := d.newFolder()
		if err := d.cfg.Space.MakeFolder(folder); err != nil {
			return err
		}
		defer d.clear(folder)
		bounded, stop := d.bound(ctx, folder)
		err := do(bounded, path, d.abs(folder))
		if full := stop(); full != nil {
			return full
		}
		if err != nil {
			return err
		}
		return keep(folder)
	})
}

// DrawMesh implements [job.Media].
func (d *Desk) DrawMesh(ctx context.Context, name string, face []job.Point) (string, error) {
	if err := checkFace(face); err != nil {
		return "", err
	}
	mesh := job.MeshPrefix + name
	to, err := onShelf(mesh)
	if err != nil {
		return "", err
	}
	err = d.make(ctx, name, opMesh, func(ctx context.Context, in, folder string) error {
		return d.cfg.Native.DrawMesh(ctx, in, path.Join(folder, mesh), face)
	}, func(folder string) error {
		return d.cfg.Space.Move(path.Join(folder, mesh), to)
	})
	if err != nil {
		return "", err
	}
	return mesh, nil
}

// checkFace reports whether the points can be a face's. Errors: InvalidArgument.
func checkFace(face []job.Point) error {
	var err error
	if len(face) != job.FacePoints {
		err = fmt.Errorf("%d points are no face, which has %d", len(face), job.FacePoints)
	}
	for i, p := range face {
		if !(math.Abs(p.X) <= math.MaxInt32 && math.Abs(p.Y) <= math.MaxInt32) {
			err = fmt.Errorf("point %d is nowhere in a picture", i+1)
		}
	}
	if err == nil {
		return nil
	}
	return job.E(job.InvalidArgument, "face data points", err, "take the points that detect face gives")
}

// Create implements [job.Media].
func (d *Desk) Create(ctx context.Context, c job.Creation) (string, error) {
	paths, err := d.checkCreation(ctx, &c)
	if err != nil {
		return "", err
	}
	const made = "it.mp4"
	first, output := c.Names[0], c.Output
	c.Names = paths
	if c.Audio != "" {
		c.Audio = d.abs(path.Join(shelf, c.Audio))
	}
	err = d.make(ctx, first, opCreate, func(ctx context.Context, _, folder string) error {
		return d.cfg.Native.Create(ctx, c, path.Join(folder, made))
	}, func(folder string) error {
		d.naming.Lock()
		defer d.naming.Unlock()
		if output == "" {
			output = d.freeName(ctx, first)
		}
		to, err := onShelf(output)
		if err != nil {
			return err
		}
		return d.cfg.Space.Move(path.Join(folder, made), to)
	})
	if err != nil {
		return "", err
	}
	return output, nil
}

// checkCreation fills in what is zero, and gives the paths of the pictures. Errors:
// InvalidArgument, NotFound.
func (d *Desk) checkCreation(ctx context.Context, c *job.Creation) (paths []string, err error) {
	bad := func(why, hint string) error {
		return job.E(job.InvalidArgument, "create video", errors.New(why), hint)
	}
	if c.Rate.IsZero() {
		c.Rate = defaultRate()
	}
	switch {
	case len(c.Names) == 0:
		return nil, bad("no picture is named", "name them in order")
	case len(c.Names) > job.MaxFrames:
		return nil, bad(fmt.Sprintf("%d pictures are more than %d", len(c.Names), job.MaxFrames), "make several videos")
	case c.Duration < 0:
		return nil, bad("its duration is negative", "use seconds, or 0 for all pictures")
	case c.Output != "" && strings.ToLower(path.Ext(c.Output)) != ".mp4":
		return nil, bad("its name "+job.Shown(fmt.Sprintf("%.80s", c.Output))+" does not end with .mp4", "name it as in clip.mp4")
	}
	if err := c.Rate.Check(); err != nil {
		return nil, err
	}
	if c.Output != "" {
		if err := job.CheckFileName(c.Output); err != nil {
			return nil, err
		}
	}
	for _, name := range c.Names {
		if err := d.present(ctx, name); err != nil {
			return nil, err
		}
		paths = append(paths, d.abs(path.Join(shelf, name)))
	}
	if c.Audio == "" {
		return paths, nil
	}
	return paths, d.present(ctx, c.Audio)
}

// freeName is the name of a video of the pictures that begin with first: its video
// id, and a number where that is taken, so that no source is lost.
func (d *Desk) freeName(ctx context.Context, first string) string {
	video, _ := job.FrameOf(first)
	name := video + ".mp4"
	for n := 2; d.present(ctx, name) == nil; n++ {
		name = fmt.Sprintf("%s-%d.mp4", video, n)
	}
	return name
}

package operation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"spillway/job"
	"spillway/native/opencv"
)

// Picture reads the picture file at path as an operation sees its input: 8-bit BGR,
// upright. It is for files that belong to no job. The caller closes it.
// Errors: *job.Error, those of opencv, fs.ErrNotExist.
func Picture(path string) (*opencv.Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	if err := CheckSize(name, info.Size()); err != nil {
		return nil, outside(name, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := checkPicture(name, data); err != nil {
		return nil, outside(name, err)
	}
	im, err := opencv.Decode(data)
	if errors.Is(err, opencv.ErrUndecodable) {
		return nil, job.E(job.DataLoss, "decode "+job.Shown(name), plain{"the picture is damaged, or of a kind that OpenCV cannot read", err}, "open it in another program and save it again")
	}
	return im, err
}

// outside is an error of an input, said of a file that is in no input_dir.
func outside(name string, err error) error {
	e := job.AsError(err)
	return job.E(e.Code, "read "+job.Shown(name), e.Err, "convert it, or save it again in another program")
}

// FirstFace finds the face with the highest score in a picture; false: there is none.
// Errors: *job.Error (no model), those of dlib and opencv.
func (e *Executor) FirstFace(ctx context.Context, im *opencv.Image) (Face, bool, error) {
	found, err := (&Files{models: &e.models}).faces(ctx, im, nil)
	if err != nil || len(found.Faces) == 0 {
		return Face{}, false, err
	}
	return found.Faces[0], true, nil
}

// DrawFace draws the mesh of a face in place, in lines as wide as face_mesh draws them
// by default. Points beyond what a picture can have around it are refused.
// Errors: InvalidArgument, those of opencv.
func DrawFace(im *opencv.Image, points []job.Point) error {
	const far = 1 << 20
	places := make([][2]int, len(points))
	left, right := math.Inf(1), math.Inf(-1)
	for i, p := range points {
		if math.Abs(p.X) > far || math.Abs(p.Y) > far {
			return job.E(job.InvalidArgument, "", fmt.Errorf("the point (%v,%v) is nowhere near the picture", p.X, p.Y), "take the points that detect face gives")
		}
		places[i] = [2]int{int(math.Round(p.X)), int(math.Round(p.Y))}
		left, right = min(left, p.X), max(right, p.X)
	}
	return DrawMesh(im, places, Face{Box: Box{Width: int(max(0, right-left))}}.stroke())
}

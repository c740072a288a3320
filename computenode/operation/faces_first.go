package operation

import (
	"context"
	"fmt"
	"math"

	"spillway/job"
	"spillway/native/opencv"
)

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

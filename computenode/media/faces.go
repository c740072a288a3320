package media

import (
	"context"
	"errors"

	"spillway/computenode/operation"
	"spillway/job"
)

// errNoFaces tells that a Here was made without what finds faces.
var errNoFaces = job.E(job.Unimplemented, "", errors.New("this node does not look for faces"), "")

// DetectFace implements [Native].
func (h Here) DetectFace(ctx context.Context, path string) ([]job.Point, error) {
	if h.Faces == nil {
		return nil, errNoFaces
	}
	im, err := operation.Picture(path)
	if err != nil {
		return nil, explain(path, err)
	}
	defer im.Close()
	face, found, err := h.Faces.FirstFace(ctx, im)
	if err != nil || !found {
		return nil, explain(path, err)
	}
	points := make([]job.Point, len(face.Points))
	for i, p := range face.Points {
		points[i] = job.Point{X: float64(p[0]), Y: float64(p[1])}
	}
	return points, nil
}

// DrawMesh implements [Native].
func (h Here) DrawMesh(_ context.Context, path, out string, face []job.Point) error {
	im, err := operation.Picture(path)
	if err != nil {
		return explain(path, err)
	}
	defer im.Close()
	if err := operation.DrawFace(im, face); err != nil {
		return explain(path, err)
	}
	return explain(path, operation.WritePicture(out, im))
}

package media

import (
	"context"
	"image"
	"math"

	"spillway/job"
	"spillway/native/opencv"
)

// Faces finds faces in pictures.
type Faces interface {
	// FirstFace is the points of the face with the highest score; none where there is
	// no face. Errors: *job.Error, and those of the native packages.
	FirstFace(ctx context.Context, im *opencv.Image) ([]image.Point, error)
	// DrawMesh draws the mesh of a face into the picture.
	DrawMesh(im *opencv.Image, face []image.Point) error
}

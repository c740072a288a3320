package operation

import (
	"context"
	"errors"
	"image"

	"spillway/job"
	"spillway/native/opencv"
)

// faceMesh draws triangles over the points of every face. A picture without a face
// comes out as it is, so that each input has its output and a video loses no
// frame; with empty=fail it is a task that failed, which is then told by name.
type faceMesh struct{}

var _ applier = faceMesh{}

// Info describes the operation.
func (faceMesh) Info() job.OperationInfo {
	return job.OperationInfo{Name: "face_mesh", Summary: "the picture with a mesh of triangles over each face, as mesh-NAME", Params: faceParams(
		job.ParamInfo{Name: "line", Kind: job.IntParam, Default: "0", Min: 0, Max: 50, Summary: "width of the lines in pixels; 0: by the size of the face"},
		job.ParamInfo{Name: "empty", Kind: job.ChoiceParam, Default: "keep", Choices: []string{"keep", "fail"}, Summary: "a picture without a face: keep writes it as it is, fail tells its name"},
	)}
}

// meshName is the name that the lecture gives the picture with the mesh.
func meshName(name string) string { return "mesh-" + name }

// Outputs is the picture with the mesh.
func (faceMesh) Outputs(name string, _ job.Args) []string { return []string{meshName(name)} }

// Run finds, draws and writes.
func (faceMesh) Run(ctx context.Context, f *Files, args job.Args) error {
	im, err := f.Image(ctx)
	if err != nil {
		return err
	}
	faces, err := meshFaces(ctx, f, im, args)
	if err != nil {
		return err
	}
	if faces == 0 && args["empty"] == "fail" {
		return job.E(job.FailedPrecondition, "run face_mesh on "+shown(job.InputDir, f.Name()), errors.New("it shows no face"),
			"faces must be upright, from in front, of 80 pixels or more; upsample=1 finds those of 40, threshold=-0.5 finds more, empty=keep writes the picture as it is")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.WriteImage(meshName(f.Name()), im)
}

// Apply draws the mesh on every face of src, which it returns. In a video a frame without a
// face is no error.
func (faceMesh) Apply(ctx context.Context, f *Files, src *opencv.Image, args job.Args) (*opencv.Image, error) {
	_, err := meshFaces(ctx, f, src, args)
	return src, err
}

// meshFaces draws the mesh on every face of im, and tells how many there are.
func meshFaces(ctx context.Context, f *Files, im *opencv.Image, args job.Args) (faces int, err error) {
	found, err := f.faces(ctx, im, args)
	if err != nil {
		return 0, err
	}
	for _, face := range found.Faces {
		width := args.Int("line")
		if width == 0 {
			width = face.stroke()
		}
		if err := DrawMesh(im, face.Points[:], width); err != nil {
			return 0, err
		}
	}
	return len(found.Faces), nil
}

// DrawMesh draws, in place, the triangles between the points of one face, in green
// lines of a width in pixels. Of 68 points it leaves out the triangles that lie
// outside the face. Errors: those of opencv.
func DrawMesh(im *opencv.Image, points [][2]int, width int) error {
	triangles, err := Mesh(points)
	if err != nil {
		return err
	}
	drawn := map[[2]int]bool{} // an edge belongs to two triangles
	for _, corner := range triangles {
		for i := range corner {
			from, to := corner[i], corner[(i+1)%3]
			edge := [2]int{min(from, to), max(from, to)}
			if drawn[edge] {
				continue
			}
			drawn[edge] = true
			if err := opencv.DrawLine(im, point(points[from]), point(points[to]), width, opencv.Colour{Green: 255}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mesh joins points to Delaunay triangles, as numbers of points. Of the 68 points of
// a face it leaves out those outside: Delaunay's triangles fill the convex hull,
// which reaches beyond the jaw of a face that is turned or has its mouth wide open.
// Errors: those of opencv.
func Mesh(points [][2]int) ([][3]int, error) {
	places := make([]image.Point, len(points))
	for i, p := range points {
		places[i] = point(p)
	}
	triangles, err := opencv.Delaunay(places)
	if err != nil || len(points) != facePoints {
		return triangles, err
	}
	inside := triangles[:0]
	for _, corner := range triangles {
		if !beyondJaw(places, corner) {
			inside = append(inside, corner)
		}
	}
	return inside, nil
}

// facePoints is the number of points on a face, and the jaw's are the first.
const (
	facePoints = 68
	jawPoints  = 17
)

// beyondJaw tells whether a triangle lies outside the jaw: it joins three points of
// the jaw, and its middle is not within the line of jaw and brows.
func beyondJaw(points []image.Point, corner [3]int) bool {
	var middle image.Point // three times its coordinates
	for _, i := range corner {
		if i >= jawPoints {
			return false
		}
		middle = middle.Add(points[i])
	}
	outline := append([]image.Point(nil), points[:jawPoints]...)
	for i := 26; i >= jawPoints; i-- {
		outline = append(outline, points[i])
	}
	return !within(outline, middle)
}

// within tells whether the point whose coordinates are a third of thrice lies within
// a polygon: a ray from it to the right crosses the border an odd number of times.
func within(polygon []image.Point, thrice image.Point) bool {
	inside := false
	for i, a := range polygon {
		a, b := a.Mul(3), polygon[(i+1)%len(polygon)].Mul(3)
		if (a.Y > thrice.Y) == (b.Y > thrice.Y) {
			continue
		}
		// The crossing's x, as a comparison without division.
		left := (thrice.X-a.X)*(b.Y-a.Y) < (thrice.Y-a.Y)*(b.X-a.X)
		if left == (b.Y > a.Y) {
			inside = !inside
		}
	}
	return inside
}

func point(p [2]int) image.Point { return image.Pt(p[0], p[1]) }

package operation

import (
	"context"
	"image"
	"math"

	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/opencv"
)

// FacesSide is the longest side, in pixels, of the picture in which faces are looked
// for; larger ones are scaled down for it. Their points are then found in the
// picture itself.
const FacesSide = 1280

// maxFaces is how many faces one picture may have; those that score best are kept.
const maxFaces = 256

// Faces is what face_landmarks writes of one picture, as JSON.
type Faces struct {
	// Image is the input's name.
	Image string `json:"image"`
	// Width and Height are those of the picture, upright, in pixels.
	Width  int `json:"width"`
	Height int `json:"height"`
	// Faces are empty where there is none; the one with the highest score is first.
	Faces []Face `json:"faces"`
}

// Face is one of them. Everything is in pixels from the picture's upper left corner,
// and may lie beyond its border where the face does.
type Face struct {
	// First marks the face with the highest score.
	First bool `json:"first"`
	Box   Box  `json:"box"`
	// Score is the distance from what is just no face; above 1 is sure.
	Score float64 `json:"score"`
	// Points are x and y of the jaw (0–16), the brows (17–21, 22–26), the nose (27–35),
	// the eyes (36–41, 42–47) and the mouth (48–67), each from the left of the picture.
	Points [dlib.Points][2]int `json:"points"`
}

// Box is a rectangle.
type Box struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

func (b Box) rectangle() image.Rectangle { return image.Rect(b.X, b.Y, b.X+b.Width, b.Y+b.Height) }

// faceParams are what every operation on faces takes.
func faceParams(more ...job.ParamInfo) []job.ParamInfo {
	return append([]job.ParamInfo{
		{Name: "threshold", Kind: job.FloatParam, Default: "0", Min: -2, Max: 10, Summary: "score from which a place is a face; below 0 finds more, also what is none"},
		{Name: "upsample", Kind: job.IntParam, Default: "0", Min: 0, Max: 2, Summary: "how often the picture is doubled before; each time, faces of half the size are found in four times the time"},
	}, more...)
}

// faces finds the faces of the input, which is the image im.
func (f *Files) faces(ctx context.Context, im *opencv.Image, args job.Args) (Faces, error) {
	all := Faces{Image: f.Name(), Width: im.Width(), Height: im.Height(), Faces: []Face{}}
	search := dlib.Search{Threshold: args.Float("threshold"), Upsample: args.Int("upsample"), Most: maxFaces}
	err := f.models.faces(func(predictor *dlib.Predictor, detector *dlib.Detector) error {
		found, err := detect(detector, im, search)
		if err != nil {
			return err
		}
		for _, face := range found {
			if err := ctx.Err(); err != nil {
				return err
			}
			points, err := predictor.Landmarks(pictureOf(im), face.Box)
			if err != nil {
				return err
			}
			all.Faces = append(all.Faces, newFace(face, points, len(all.Faces) == 0))
		}
		return nil
	})
	return all, err
}

// detect finds the faces in im, in its own pixels.
func detect(detector *dlib.Detector, im *opencv.Image, search dlib.Search) ([]dlib.Face, error) {
	factor := float64(max(im.Width(), im.Height())) / FacesSide
	if factor <= 1 {
		return detector.Detect(pictureOf(im), search)
	}
	side := func(pixels int) int { return max(1, int(math.Round(float64(pixels)/factor))) }
	small, err := opencv.Resize(im, side(im.Width()), side(im.Height()))
	if err != nil {
		return nil, err
	}
	defer small.Close()
	found, err := detector.Detect(pictureOf(small), search)
	wide := func(at image.Point) image.Point {
		return image.Pt(int(math.Round(float64(at.X)*factor)), int(math.Round(float64(at.Y)*factor)))
	}
	for i, face := range found {
		found[i].Box = image.Rectangle{Min: wide(face.Box.Min), Max: wide(face.Box.Max)}
	}
	return found, err
}

// pictureOf lends dlib the pixels of im.
func pictureOf(im *opencv.Image) dlib.Picture {
	return dlib.Picture{Pixels: im.Pixels(), Width: im.Width(), Height: im.Height(), Channels: im.Channels()}
}

func newFace(found dlib.Face, points [dlib.Points]image.Point, first bool) Face {
	b := found.Box
	face := Face{First: first, Box: Box{b.Min.X, b.Min.Y, b.Dx(), b.Dy()}, Score: found.Score}
	for i, p := range points {
		face.Points[i] = [2]int{p.X, p.Y}
	}
	return face
}

// stroke is the width of lines on a face, in pixels, that looks the same on faces
// of any size: 1 up to 200 pixels.
func (f Face) stroke() int { return max(1, f.Box.Width/200) }

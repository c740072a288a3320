package operation

import (
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/opencv"
)

func TestFaceLandmarks_OutputsKeepThePicturesEnding(t *testing.T) {
	for text, want := range map[string][]string{
		"face_landmarks":          {"a.jpg.json"},
		"face_landmarks:draw=yes": {"a.jpg.json", "a.jpg"},
		"face_mesh":               {"mesh-a.jpg"},
		"face_mesh:empty=fail":    {"mesh-a.jpg"},
	} {
		op, err := job.ParseOperation(text)
		require.NoError(t, err)
		found, args, err := Find(op)
		require.NoError(t, err)
		require.Equal(t, want, found.Outputs("a.jpg", args), text)
	}
}

// What other programs read: the names stay, and no face is an empty list.
func TestFaces_JSONHasItsShape(t *testing.T) {
	text, err := json.Marshal(Faces{Image: "a.jpg", Width: 4, Height: 3, Faces: []Face{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"image":"a.jpg","width":4,"height":3,"faces":[]}`, string(text))
	face := newFace(dlib.Face{Box: image.Rect(-1, 2, 9, 14), Score: 0.25}, [dlib.Points]image.Point{{5, 6}}, true)
	text, err = json.Marshal(face)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text),
		`{"first":true,"box":{"x":-1,"y":2,"width":10,"height":12},"score":0.25,"points":[[5,6],[0,0],`), "%s", text)
}

func TestModels_WhatIsNotThereSaysWhatToInstall(t *testing.T) {
	if !dlib.Available {
		t.Skip("this build has no dlib")
	}
	dir := t.TempDir()
	m := &models{dir: dir}
	_, err := m.find("none.dat")
	fails(t, err, job.Unimplemented, "load a model", "there is no none.dat in "+dir+" or "+DefaultModels, "libdlib-data")
	_, err = (&models{}).find("none.dat")
	fails(t, err, job.Unimplemented, "load a model", "there is no none.dat in "+DefaultModels, "--models")
}

func TestModels_ADamagedFileIsNamedAndTriedAgain(t *testing.T) {
	if !dlib.Available {
		t.Skip("this build has no dlib")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, faceModel)
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o644))
	m := &models{dir: dir}
	use := func(*dlib.Predictor, *dlib.Detector) error { return nil }
	fails(t, m.faces(use), job.Unimplemented, "load "+path, "dlib:", "--models")
	if _, err := os.Stat(filepath.Join(DefaultModels, faceModel)); err != nil {
		t.Skip("needs the model of Debian's libdlib-data")
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, m.faces(use), "the file is mended while the node runs")
	require.NoError(t, m.close())
}

// A call that is at work keeps what it was lent; the last one frees it.
func TestModels_CloseWaitsForNobodyAndLeaksNothing(t *testing.T) {
	if _, err := os.Stat(filepath.Join(DefaultModels, faceModel)); err != nil || !dlib.Available {
		t.Skip("needs a build with dlib, and the model of Debian's libdlib-data")
	}
	m := &models{}
	before := dlib.Live()
	require.NoError(t, m.faces(func(p *dlib.Predictor, d *dlib.Detector) error {
		require.NoError(t, m.close())
		_, err := d.Detect(dlib.Picture{Pixels: make([]byte, 100), Width: 10, Height: 10, Channels: 1}, dlib.Search{})
		return err
	}))
	require.Equal(t, before, dlib.Live())
}

func TestWithin_OnlyWhatIsInsideThePolygon(t *testing.T) {
	// A house with a notch in its roof.
	house := []image.Point{{0, 0}, {10, 0}, {10, 10}, {5, 4}, {0, 10}}
	for _, row := range []struct {
		at   image.Point
		want bool
	}{{image.Pt(5, 2), true}, {image.Pt(1, 8), true}, {image.Pt(9, 8), true}, {image.Pt(5, 8), false}, {image.Pt(-1, 5), false}, {image.Pt(11, 5), false}, {image.Pt(5, -1), false}} {
		require.Equal(t, row.want, within(house, row.at.Mul(3)), "%v", row.at)
	}
}

// drawnFace is a face with a jaw that bends inwards on its left side, as one that is
// turned away shows it.
func drawnFace() [][2]int {
	points := make([][2]int, facePoints)
	for i := range jawPoints {
		x := i * 10
		points[i] = [2]int{x, 100 + (x*(160-x))/80}
	}
	points[3], points[4] = [2]int{58, 110}, [2]int{60, 118}
	for i := jawPoints; i < facePoints; i++ {
		points[i] = [2]int{62 + (i*7)%60, 60 + (i*5)%40}
	}
	for i := jawPoints; i < 27; i++ {
		points[i] = [2]int{5 + (i-jawPoints)*16, 50}
	}
	return points
}

func TestMesh_LeavesOutWhatLiesBeyondTheJaw(t *testing.T) {
	if !opencv.Available {
		t.Skip("this build has no OpenCV")
	}
	points := drawnFace()
	places := make([]image.Point, len(points))
	for i, p := range points {
		places[i] = point(p)
	}
	all, err := opencv.Delaunay(places)
	require.NoError(t, err)
	mesh, err := Mesh(points)
	require.NoError(t, err)
	require.NotEmpty(t, mesh)
	require.Less(t, len(mesh), len(all), "the hull reaches beyond the bend")
	for _, corner := range mesh {
		require.False(t, beyondJaw(places, corner))
	}
	few, err := Mesh(points[:5])
	require.NoError(t, err)
	require.NotEmpty(t, few, "other numbers of points are joined as they are")
}

func TestFaceOperations_BuildWithoutDlibSaysHowToGetOne(t *testing.T) {
	if dlib.Available || !opencv.Available {
		t.Skip("the other build's promise")
	}
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	for _, name := range []string{"face_landmarks", "face_mesh"} {
		_, err := p.run("a.png", job.Operation{Name: name})
		fails(t, err, job.Unimplemented, "run "+name+" on input_dir/a.png", "built without dlib", "make build")
	}
}

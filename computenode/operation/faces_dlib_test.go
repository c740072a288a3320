//go:build gocv_specific_modules && gocv_photo && dlib && cgo

package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/opencv"
)

// players are photographs of Debian's opencv-doc, with a face of 37 pixels each; fruits have none.
const basketball, messi, fruits = "basketball1.png", "messi5.jpg", "fruits.jpg"

// photograph is the content of one of them.
func photograph(t *testing.T, name string) []byte {
	t.Helper()
	if _, err := os.Stat(filepath.Join(DefaultModels, faceModel)); err != nil {
		t.Skipf("needs the model of Debian's libdlib-data: %v", err)
	}
	const inside = "usr/share/doc/opencv-doc/examples/data"
	for _, dir := range []string{"/" + inside, "../../bin/photos/" + inside} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return data
		}
	}
	t.Skip("needs the photographs of Debian's opencv-doc; tools/photos fetches them")
	return nil
}

// scaled is a photograph, times a whole number, as a file of the kind of ext.
func scaled(t *testing.T, name string, times int, ext string) []byte {
	t.Helper()
	im := enlarged(t, name, times)
	return fileOf(t, im, ext)
}

// enlarged is a photograph, times a whole number.
func enlarged(t *testing.T, name string, times int) *opencv.Image {
	t.Helper()
	src, err := opencv.Decode(photograph(t, name))
	require.NoError(t, err)
	defer src.Close()
	im, err := opencv.Resize(src, times*src.Width(), times*src.Height())
	require.NoError(t, err)
	t.Cleanup(func() { im.Close() })
	return im
}

func fileOf(t *testing.T, im *opencv.Image, ext string) []byte {
	t.Helper()
	data, err := opencv.Encode(im, ext)
	require.NoError(t, err)
	defer data.Close()
	return bytes.Clone(data.Bytes())
}

// sideways is a JPEG that lies on its side, with the word that says so.
func sideways(t *testing.T, name string, times int) []byte {
	t.Helper()
	turned, err := opencv.Rotate(enlarged(t, name, times), 3)
	require.NoError(t, err)
	defer turned.Close()
	data := fileOf(t, turned, ".jpg")
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	return append([]byte("\xff\xd8"+exif), data[2:]...)
}

// crowd is a picture of both players, side by side.
func crowd(t *testing.T) []byte {
	t.Helper()
	left, right := enlarged(t, basketball, 2), enlarged(t, messi, 2)
	const seam = 300 // columns from the left one, then those of the right one from there on
	both, err := opencv.Resize(left, right.Width(), left.Height())
	require.NoError(t, err)
	defer both.Close()
	clear(both.Pixels())
	for y := range both.Height() {
		row := both.Pixels()[3*y*both.Width():][:3*both.Width()]
		copy(row, left.Pixels()[3*y*left.Width():][:3*seam])
		if y < right.Height() {
			copy(row[3*seam:], right.Pixels()[3*(y*right.Width()+seam):][:3*(right.Width()-seam)])
		}
	}
	return fileOf(t, both, ".png")
}

// faces runs face_landmarks and reads what it wrote.
func (p *place) faces(name, op string) Faces {
	p.Helper()
	parsed, err := job.ParseOperation(op)
	require.NoError(p, err)
	_, err = p.run(name, parsed)
	require.NoError(p, err, name)
	return p.read(name)
}

func (p *place) read(name string) Faces {
	p.Helper()
	text, err := os.ReadFile(p.out(name + ".json"))
	require.NoError(p, err)
	var found Faces
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(p, decoder.Decode(&found))
	require.NotNil(p, found.Faces)
	return found
}

// lines are faces as native/dlib/plain prints them.
func (f Faces) lines() []string {
	var lines []string
	for _, face := range f.Faces {
		b := face.Box
		text := fmt.Sprintf("%s %d %d %d %d %.17g", f.Image, b.X, b.Y, b.Width, b.Height, face.Score)
		for _, p := range face.Points {
			text += fmt.Sprintf(" %d %d", p[0], p[1])
		}
		lines = append(lines, text)
	}
	return lines
}

// Small and large, lossless and not, upright and on its side: the same boxes, scores
// and points as a plain C++ program over OpenCV and dlib.
func TestFaceLandmarks_AreThoseOfPlainCPlusPlus(t *testing.T) {
	if dlib.Instructions() != "baseline" {
		t.Skip("the plain loop is compiled for every processor, this build is not")
	}
	p := newPlace(t)
	p.put("a large.png", scaled(t, basketball, 4, ".png"))
	p.put("double.jpg", scaled(t, messi, 2, ".jpg"))
	p.put("crowd.png", crowd(t))
	p.put("sideways.jpg", sideways(t, messi, 2))
	p.put("fruits.jpg", photograph(t, fruits))
	out, err := exec.Command("make", "-s", "-C", "../..", "bin/plain-faces").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("../../bin/plain-faces", "--points", filepath.Join(DefaultModels, faceModel), p.in("")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	want := strings.Split(strings.TrimSpace(string(out)), "\n")
	want = want[:len(want)-1]
	var got []string
	for name, faces := range map[string]int{"a large.png": 1, "double.jpg": 1, "crowd.png": 2, "sideways.jpg": 1, "fruits.jpg": 0} {
		found := p.faces(name, "face_landmarks")
		require.Len(t, found.Faces, faces, name)
		got = append(got, found.lines()...)
	}
	require.ElementsMatch(t, want, got)
}

func TestFaceLandmarks_FirstIsTheSurest(t *testing.T) {
	p := newPlace(t)
	p.put("crowd.png", crowd(t))
	found := p.faces("crowd.png", "face_landmarks")
	require.Equal(t, []bool{true, false}, []bool{found.Faces[0].First, found.Faces[1].First})
	require.Greater(t, found.Faces[0].Score, found.Faces[1].Score)
	require.Equal(t, []int{1096, 960}, []int{found.Width, found.Height})
	require.Equal(t, []string{"crowd.png.json"}, p.left())
}

// An upright copy and one that is turned by its EXIF word have their points in the
// same places, give or take what JPEG does to pixels.
func TestFaceLandmarks_PointsAreThoseOfTheUprightPicture(t *testing.T) {
	p := newPlace(t)
	p.put("up.jpg", scaled(t, messi, 2, ".jpg"))
	p.put("side.jpg", sideways(t, messi, 2))
	up, side := p.faces("up.jpg", "face_landmarks"), p.faces("side.jpg", "face_landmarks")
	require.Equal(t, []int{up.Width, up.Height}, []int{side.Width, side.Height})
	require.Len(t, side.Faces, 1)
	for i, want := range up.Faces[0].Points {
		require.InDelta(t, want[0], side.Faces[0].Points[i][0], 6, "point %d", i)
		require.InDelta(t, want[1], side.Faces[0].Points[i][1], 6, "point %d", i)
	}
}

func TestFaceLandmarks_UpsampleFindsSmallFacesAndThresholdFewer(t *testing.T) {
	p := newPlace(t)
	p.put("a.jpg", photograph(t, messi))
	require.Empty(t, p.faces("a.jpg", "face_landmarks").Faces)
	require.Len(t, p.faces("a.jpg", "face_landmarks:upsample=1").Faces, 1)
	require.Empty(t, p.faces("a.jpg", "face_landmarks:upsample=1,threshold=5").Faces)
}

func TestFaceLandmarks_DrawsTheFirstInGreen(t *testing.T) {
	p := newPlace(t)
	p.put("crowd.png", crowd(t))
	found := p.faces("crowd.png", "face_landmarks:draw=yes")
	require.ElementsMatch(t, []string{"crowd.png", "crowd.png.json"}, p.left())
	im := p.image("crowd.png")
	for i, colour := range [][]byte{{0, 255, 0}, {0, 255, 255}} {
		for _, at := range found.Faces[i].Points {
			require.Equal(t, colour, pixel(im, at), "face %d, %v", i, at)
		}
		b := found.Faces[i].Box
		require.Equal(t, colour, pixel(im, [2]int{b.X + b.Width/2, b.Y}))
	}
}

// image decodes an output.
func (p *place) image(name string) *opencv.Image {
	p.Helper()
	data, err := os.ReadFile(p.out(name))
	require.NoError(p, err)
	im, err := opencv.Decode(data)
	require.NoError(p, err)
	p.Cleanup(func() { im.Close() })
	return im
}

func pixel(im *opencv.Image, at [2]int) []byte {
	from := 3 * (at[1]*im.Width() + at[0])
	return im.Pixels()[from : from+3]
}

func TestFaceMesh_LinesLieOnTheFaceAndNowhereElse(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", scaled(t, basketball, 2, ".png"))
	face := p.faces("a.png", "face_landmarks").Faces[0]
	_, err := p.run("a.png", job.Operation{Name: "face_mesh"})
	require.NoError(t, err)
	before, after := enlarged(t, basketball, 2), p.image("mesh-a.png")
	low, high := face.Points[0], face.Points[0]
	for _, at := range face.Points {
		require.Equal(t, []byte{0, 255, 0}, pixel(after, at))
		low = [2]int{min(low[0], at[0]), min(low[1], at[1])}
		high = [2]int{max(high[0], at[0]), max(high[1], at[1])}
	}
	changed := 0
	for y := range before.Height() {
		for x := range before.Width() {
			if bytes.Equal(pixel(before, [2]int{x, y}), pixel(after, [2]int{x, y})) {
				continue
			}
			changed++
			require.True(t, x >= low[0]-1 && x <= high[0]+1 && y >= low[1]-1 && y <= high[1]+1, "%d %d", x, y)
		}
	}
	require.Greater(t, changed, 1000)
}

func TestFaceMesh_WithoutAFaceKeepsThePictureOrTellsItsName(t *testing.T) {
	p := newPlace(t)
	p.put("fruits.png", scaled(t, fruits, 1, ".png"))
	_, err := p.run("fruits.png", job.Operation{Name: "face_mesh"})
	require.NoError(t, err)
	require.Equal(t, enlarged(t, fruits, 1).Pixels(), p.image("mesh-fruits.png").Pixels())
	require.NoError(t, os.Remove(p.out("mesh-fruits.png")))
	_, err = p.run("fruits.png", job.Operation{Name: "face_mesh", Params: map[string]string{"empty": "fail"}})
	fails(t, err, job.FailedPrecondition, "run face_mesh on input_dir/fruits.png", "no face", "upsample=1")
	require.Empty(t, p.left())
}

func TestFaceOperations_LongestNameIsRefusedWithoutALeftover(t *testing.T) {
	p := newPlace(t)
	photograph(t, fruits) // skips without the model
	name := strings.Repeat("x", 251) + ".png"
	p.put(name, aPNG(t))
	for _, op := range []string{"face_landmarks", "face_mesh"} {
		_, err := p.run(name, job.Operation{Name: op})
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%v", err)
		require.Empty(t, p.left())
	}
}

// Many at once load the model once.
func TestFaceOperations_ShareOneModelAndEndEarly(t *testing.T) {
	p := newPlace(t)
	p.put("a.jpg", photograph(t, messi))
	before := dlib.Live()
	op := job.Operation{Name: "face_landmarks", Params: map[string]string{"upsample": "1"}}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			r := p.request("a.jpg", op)
			r.Token = fmt.Sprint(w)
			reply, err := p.exec.Execute(t.Context(), r)
			if err == nil {
				err = Commit(p.roots, p.base, reply.Outputs)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, dlib.Live()-before, int64(1+3), "a predictor, and a detector each")
	require.Len(t, p.read("a.jpg").Faces, 1)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := p.exec.Execute(ended, p.request("a.jpg", op))
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	require.NoError(t, p.exec.Close())
	require.Equal(t, before, dlib.Live())
	require.Len(t, p.faces("a.jpg", "face_landmarks:upsample=1").Faces, 1, "what comes later loads it again")
}

package operation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/face"
	"spillway/job"
	"spillway/native/goface"
	"spillway/native/opencv"
)

// eyes stand for go-face: the colour of a picture's middle says what they see. Green is
// 50 for each face, red who the first of them is.
type eyes struct {
	looks  int
	closed bool
}

func (e *eyes) Recognize(picture []byte) ([]goface.Face, error) {
	e.looks++
	img, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	size := img.Bounds().Size()
	red, green, _, _ := img.At(size.X/2, size.Y/2).RGBA()
	var faces []goface.Face
	for i := range int(green>>8+25) / 50 {
		at := image.Rect(size.X/4, size.Y/4, size.X/2, size.Y/2)
		faces = append(faces, goface.Face{Box: at, Descriptor: goface.Descriptor{9: float32(red>>8)/100 + float32(i)*10}})
	}
	return faces, nil
}

func (e *eyes) Close() error { e.closed = true; return nil }

// seeing is a place whose executor has eyes.
func seeing(t *testing.T) (*place, *eyes) {
	t.Helper()
	if !opencv.Available {
		t.Skip("this build has no OpenCV")
	}
	p, e := newPlace(t), &eyes{}
	p.exec.models.identity.recognizer = e
	return p, e
}

// shows is a picture of so many faces, the first of which is who.
func shows(t *testing.T, faces, who int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 100, 80))
	for i := range 100 * 80 {
		img.Set(i%100, i/100, color.RGBA{uint8(who), uint8(50 * faces), 0, 255})
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}))
	return b.Bytes()
}

// know writes a picture of a known face below dir.
func know(t *testing.T, dir, file string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// identify runs face_identity and reads what it wrote.
func (p *place) identify(name, op string) face.Picture {
	p.Helper()
	parsed, err := job.ParseOperation(op)
	require.NoError(p, err)
	_, err = p.run(name, parsed)
	require.NoError(p, err)
	text, err := os.ReadFile(p.out(name + face.RecordSuffix))
	require.NoError(p, err)
	var found face.Picture
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(p, decoder.Decode(&found))
	require.NotNil(p, found.Faces)
	return found
}

func TestIdentity_EveryFaceIsDescribedAndNoneIsAnEmptyList(t *testing.T) {
	p, _ := seeing(t)
	p.put("two.jpg", shows(t, 2, 200))
	p.put("none.jpg", shows(t, 0, 200))
	require.Empty(t, p.identify("none.jpg", "face_identity").Faces)
	require.NoError(t, os.Remove(p.out("none.jpg"+face.RecordSuffix)))
	two := p.identify("two.jpg", "face_identity")
	require.Equal(t, []any{"two.jpg", 100, 80, 0.6}, []any{two.Image, two.Width, two.Height, two.Threshold})
	require.Len(t, two.Faces, 2)
	require.Equal(t, face.Box{X: 25, Y: 20, Width: 25, Height: 20}, two.Faces[0].Box)
	require.InDelta(t, 2, two.Faces[0].Descriptor[9], 0.05)
	require.Nil(t, two.Faces[0].Match)
	require.Nil(t, two.Known)
	require.Equal(t, []string{"two.jpg" + face.RecordSuffix}, p.left())
}

// Large pictures are looked at smaller, and small ones larger on request; boxes are in the
// picture's own pixels.
func TestIdentity_BoxesAreInThePicturesOwnPixels(t *testing.T) {
	p, _ := seeing(t)
	small, err := opencv.Decode(shows(t, 1, 100))
	require.NoError(t, err)
	defer small.Close()
	large, err := opencv.Resize(small, 4000, 3200)
	require.NoError(t, err)
	defer large.Close()
	data, err := opencv.Encode(large, ".png")
	require.NoError(t, err)
	defer data.Close()
	p.put("large.png", data.Bytes())
	p.put("small.jpg", shows(t, 1, 100))
	require.Equal(t, face.Box{X: 1000, Y: 800, Width: 1000, Height: 800}, p.identify("large.png", "face_identity").Faces[0].Box)
	for _, upsample := range []string{"0", "1", "2"} {
		require.Equal(t, face.Box{X: 25, Y: 20, Width: 25, Height: 20}, p.identify("small.jpg", "face_identity:upsample="+upsample).Faces[0].Box)
	}
}

func TestIdentity_NamesTheNearestKnownFace(t *testing.T) {
	p, e := seeing(t)
	dir := filepath.Join(p.base, "known")
	know(t, dir, "alice.jpg", shows(t, 1, 100))
	know(t, dir, "bob/1.jpg", shows(t, 0, 200))
	know(t, dir, "bob/2.jpg", shows(t, 1, 200))
	know(t, dir, "crowd.jpg", shows(t, 3, 150))
	know(t, dir, "text.jpg", []byte("text"))
	know(t, dir, "notes.txt", []byte("text"))
	know(t, dir, ".hidden.jpg", []byte("text"))
	know(t, dir, "bob/deep/3.jpg", shows(t, 1, 250))
	for i, who := range []int{105, 190, 20} {
		p.put(fmt.Sprint(i, ".jpg"), shows(t, 1, who))
	}
	first := p.identify("0.jpg", "face_identity:known=known")
	require.Equal(t, "alice", first.Faces[0].Match.Name)
	require.InDelta(t, 0.05, first.Faces[0].Match.Distance, 0.03)
	require.Equal(t, "known", first.Known.Folder)
	require.Equal(t, 2, first.Known.People)
	require.Equal(t, []string{
		"known/bob/1.jpg: it shows no face",
		"known/crowd.jpg: it shows 3 faces, and nobody can tell whose name it is",
		"known/text.jpg: " + errUnknown.Error(),
	}, first.Known.Unused)
	looked := e.looks
	second := p.identify("1.jpg", "face_identity:known=known")
	require.Equal(t, "bob", second.Faces[0].Match.Name)
	require.Equal(t, first.Known, second.Known)
	require.Equal(t, looked+1, e.looks, "known pictures are looked at once")
	require.Nil(t, p.identify("2.jpg", "face_identity:known=known").Faces[0].Match, "too far from both")
	require.Nil(t, p.identify("0.jpg", "face_identity:known=known,threshold=0").Faces[0].Match)

	know(t, dir, "alice.jpg", shows(t, 1, 30)) // another picture
	require.NoError(t, os.Remove(filepath.Join(dir, "bob/2.jpg")))
	third := p.identify("2.jpg", "face_identity:known=known")
	require.Equal(t, "alice", third.Faces[0].Match.Name)
	require.Equal(t, 1, third.Known.People)
	require.NotEqual(t, first.Known.Sum, third.Known.Sum)
	require.NoError(t, p.exec.Close())
	require.True(t, e.closed)
}

func TestIdentity_KnownFacesAmongTheModelsAreForNodesThatSeeNoFolder(t *testing.T) {
	p, _ := seeing(t)
	p.put("a.jpg", shows(t, 1, 100))
	models := t.TempDir()
	p.exec.ModelsIn(models)
	know(t, models, "known/carol.jpg", shows(t, 1, 100))
	require.Equal(t, "carol", p.identify("a.jpg", "face_identity:known=known").Faces[0].Match.Name)
	know(t, p.base, "known/dave.jpg", shows(t, 1, 100))
	require.Equal(t, "dave", p.identify("a.jpg", "face_identity:known=known").Faces[0].Match.Name, "beside input_dir goes first")
}

func TestIdentity_KnownFoldersOfNoUseAreNamed(t *testing.T) {
	p, _ := seeing(t)
	p.put("a.jpg", shows(t, 1, 100))
	run := func() error {
		_, err := p.run("a.jpg", job.Operation{Name: "face_identity", Params: map[string]string{"known": "known"}})
		require.Empty(t, p.left())
		return err
	}
	fails(t, run(), job.Unimplemented, "look for known faces", "no folder known beside input_dir that this node sees", "known/alice.jpg")
	know(t, p.base, "known", nil) // a file
	fails(t, run(), job.Unimplemented, "look for known faces", "no folder known", "known/alice/1.jpg")
	require.NoError(t, os.Remove(filepath.Join(p.base, "known")))
	require.NoError(t, os.Mkdir(filepath.Join(p.base, "known"), 0o755))
	fails(t, run(), job.FailedPrecondition, "look for known faces in known", "no picture in it shows a face", "one face each")
	know(t, p.base, "known/alice.jpg", shows(t, 2, 9))
	fails(t, run(), job.FailedPrecondition, "look for known faces in known", "known/alice.jpg: it shows 2 faces", "one face each")
	for i := range maxKnown {
		know(t, p.base, fmt.Sprintf("known/p/%d.jpg", i), nil)
	}
	fails(t, run(), job.FailedPrecondition, "look for known faces in known", "more than 256 pictures", "a few of each person")
}

// A link does not show a node what lies outside its folders.
func TestIdentity_KnownFolderLeadsNowhereElse(t *testing.T) {
	p, _ := seeing(t)
	p.put("a.jpg", shows(t, 1, 100))
	outside := t.TempDir()
	know(t, outside, "alice.jpg", shows(t, 1, 100))
	require.NoError(t, os.Symlink(outside, filepath.Join(p.base, "known")))
	_, err := p.run("a.jpg", job.Operation{Name: "face_identity", Params: map[string]string{"known": "known"}})
	require.ErrorContains(t, err, "leads out of the allowed folders")
	require.NoError(t, os.Remove(filepath.Join(p.base, "known")))
	know(t, p.base, "known/bob.jpg", shows(t, 1, 200))
	require.NoError(t, os.Symlink(filepath.Join(outside, "alice.jpg"), filepath.Join(p.base, "known/alice.jpg")))
	found := p.identify("a.jpg", "face_identity:known=known")
	require.Len(t, found.Known.Unused, 1)
	require.Contains(t, found.Known.Unused[0], "known/alice.jpg: it cannot be read")
	require.Nil(t, found.Faces[0].Match)
}

func TestKnownCache_RemembersTheLastFolders(t *testing.T) {
	var c knownCache
	for i := range cachedFolders + 2 {
		c.of(fmt.Sprint(i))["a.jpg"] = knownPicture{size: int64(i)}
		c.of("0")
	}
	require.Len(t, c.folders, cachedFolders)
	require.Contains(t, c.of("0"), "a.jpg")
	require.Contains(t, c.of(fmt.Sprint(cachedFolders+1)), "a.jpg")
	require.Empty(t, c.of("1"))
}

func TestIdentity_BuildWithoutGoFaceSaysHowToGetOne(t *testing.T) {
	if goface.Available || !opencv.Available {
		t.Skip("the other build's promise")
	}
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	_, err := p.run("a.png", job.Operation{Name: "face_identity"})
	fails(t, err, job.Unimplemented, "run face_identity on input_dir/a.png", "built without go-face", "make build-goface")
}

func TestIdentity_ParametersAgreeWithPackageFace(t *testing.T) {
	_, args, err := Find(job.Operation{Name: job.FaceIdentity})
	require.NoError(t, err)
	require.InDelta(t, face.Threshold, args.Float("threshold"), 0)
	require.Empty(t, args["known"])
	require.Equal(t, goface.Numbers, face.Numbers)
}

func TestAbsent_NamesTheModelsThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	missing, err := absent(dir)
	require.NoError(t, err)
	require.Equal(t, goface.Files(), missing)
	require.NoError(t, os.WriteFile(filepath.Join(dir, goface.Files()[0]), nil, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, goface.Files()[1]), 0o755))
	missing, err = absent(dir)
	require.NoError(t, err)
	require.Equal(t, goface.Files()[1:], missing)
	missing, err = absent(filepath.Join(dir, "nowhere"))
	require.NoError(t, err)
	require.Len(t, missing, 3)
}

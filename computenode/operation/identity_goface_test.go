//go:build gocv_specific_modules && gocv_photo && dlib && goface && cgo

package operation

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/face"
	"spillway/job"
	"spillway/native/goface"
)

// randomModels is a folder of models with random weights, from our generator.
func randomModels(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("make", "-s", "-C", "../..", "bin/random-models/all").CombinedOutput()
	require.NoError(t, err, "%s", out)
	dir, err := filepath.Abs("../../bin/random-models")
	require.NoError(t, err)
	return dir
}

// The same face on pictures of other kinds, upright and on its side, is known again, and
// another is not.
func TestIdentity_AFaceIsKnownAgainOnPicturesOfEveryKind(t *testing.T) {
	p := newPlace(t)
	p.exec.ModelsIn(randomModels(t))
	know(t, p.base, "known/player.jpg", photograph(t, messi)) // so small that it is looked at twice
	p.put("a.png", scaled(t, messi, 2, ".png"))
	p.put("b.jpg", sideways(t, messi, 2))
	p.put("c.bmp", scaled(t, messi, 2, ".bmp"))
	p.put("other.png", scaled(t, basketball, 2, ".png"))
	p.put("none.jpg", photograph(t, fruits))
	var all face.Census
	for _, name := range []string{"a.png", "b.jpg", "c.bmp"} {
		found := p.identify(name, "face_identity:known=known")
		require.Len(t, found.Faces, 1, name)
		require.NotNil(t, found.Faces[0].Match, name)
		require.Equal(t, "player", found.Faces[0].Match.Name)
		require.NoError(t, all.Add(found))
	}
	other := p.identify("other.png", "face_identity:known=known")
	require.Len(t, other.Faces, 1)
	require.Nil(t, other.Faces[0].Match)
	require.NoError(t, all.Add(other))
	none := p.identify("none.jpg", "face_identity:known=known")
	require.Empty(t, none.Faces)
	require.NoError(t, all.Add(none))
	people, err := all.People(t.Context(), face.Threshold, 1)
	require.NoError(t, err)
	require.Len(t, people.Persons, 2)
	require.Equal(t, "player", people.Persons[0].Name)
	require.Len(t, people.Persons[0].Faces, 3)
}

// The box is about where face_landmarks sees the same face.
func TestIdentity_BoxIsWhereFaceLandmarksSeesIt(t *testing.T) {
	p := newPlace(t)
	p.exec.ModelsIn(randomModels(t))
	p.put("a.png", scaled(t, messi, 2, ".png"))
	p.put("large.png", scaled(t, messi, 4, ".png"))
	for _, name := range []string{"a.png", "large.png"} {
		want, got := p.faces(name, "face_landmarks").Faces[0].Box, p.identify(name, "face_identity").Faces[0].Box
		for i, pair := range [][2]int{{want.X, got.X}, {want.Y, got.Y}, {want.Width, got.Width}, {want.Height, got.Height}} {
			require.InDelta(t, pair[0], pair[1], float64(want.Width)/8, "%s %d", name, i)
		}
	}
}

func TestIdentity_ModelsThatAreNotThereOrOfNoUseAreNamed(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	run := func() error {
		_, err := p.run("a.png", job.Operation{Name: "face_identity"})
		return err
	}
	fails(t, run(), job.Unimplemented, "load models", DefaultModels+" has no ", "--models")
	dir := t.TempDir()
	p.exec.ModelsIn(dir)
	fails(t, run(), job.Unimplemented, "load models", dir+" has no "+goface.Files()[0], "dlib-models")
	for _, name := range goface.Files() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o644))
	}
	fails(t, run(), job.Unimplemented, "load models from "+dir, "not the models of dlib", "unpack the models again")
	require.Empty(t, p.left())
	for _, name := range goface.Files() {
		data, err := os.ReadFile(filepath.Join(randomModels(t), name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	require.NoError(t, run(), "the files are mended while the node runs")
	before := goface.Live()
	require.Equal(t, int64(1), before)
	require.NoError(t, p.exec.Close())
	require.Zero(t, goface.Live())
}

//go:build gocv_specific_modules

package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/face"
)

// identical fills a folder with photographs of opencv-doc, four times each: a player, with
// a face of 37 pixels, and fruits. It puts the player among the known faces, too.
func (c *cluster) identical(name string) {
	c.t.Helper()
	in := c.folder(name)
	known := filepath.Join(c.dir, name, "known")
	require.NoError(c.t, os.MkdirAll(known, 0o755))
	for _, photo := range []string{"messi5.jpg", "basketball1.png", "fruits.jpg"} {
		const inside = "usr/share/doc/opencv-doc/examples/data/"
		data, err := os.ReadFile("/" + inside + photo)
		if err != nil {
			data, err = os.ReadFile("../bin/photos/" + inside + photo)
		}
		if err != nil {
			c.t.Skip("needs the photographs of Debian's opencv-doc; tools/photos fetches them")
		}
		for _, copied := range []string{"1", "2", "3", "4"} {
			write(c.t, filepath.Join(in, copied+photo), data)
		}
		if photo != "basketball1.png" {
			write(c.t, filepath.Join(known, photo), data)
		}
	}
}

func TestIdentity_NodesWithoutGoFaceSayHowToGetOne(t *testing.T) {
	if identityTags != "" {
		t.Skip("the other build's promise")
	}
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	write(t, filepath.Join(c.folder("data"), "a.png"), pngBytes(t, 1))
	r, code := c.run("data", "--op", "face_identity")
	require.Equal(t, 1, code)
	require.Len(t, r.Failures, 1)
	require.Equal(t, "unimplemented", r.Failures[0].Error.Code)
	require.Contains(t, r.Failures[0].Error.Message, "make build-goface")
	require.Contains(t, r.Failures[0].Error.Hint, "--models")
	require.Len(t, r.Failures[0].Nodes, 2, "each node was asked")
	require.Empty(t, c.outputs("data"))
	out, code := c.client("operations")
	require.Zero(t, code)
	require.Contains(t, out, "face_identity")
	require.Contains(t, out, "known takes a name")
}

// One node, or one that sees the folder beside one that does not: the same people.
func TestIdentity_PeopleAreTheSameHoweverManyNodes(t *testing.T) {
	if identityTags == "" {
		t.Skip("needs a build with the tag goface: make test-goface")
	}
	out, err := exec.Command("make", "-s", "-C", "..", "bin/random-models/all").CombinedOutput()
	require.NoError(t, err, "%s", out)
	models := t.TempDir()
	require.NoError(t, os.CopyFS(models, os.DirFS("../bin/random-models")))

	one := newCluster(t, nil, nodeArgs{"0", "--models", models, "--task-timeout", "100s"})
	one.identical("data")
	const op = "face_identity:known=known,upsample=1"
	r, code := one.run("data", "--op", op)
	require.Zero(t, code, "%+v", r)
	require.Len(t, one.outputs("data"), 13)
	text, err := os.ReadFile(filepath.Join(one.dir, "data/output_dir", face.PeopleName))
	require.NoError(t, err)
	var people face.People
	require.NoError(t, json.Unmarshal(text, &people))
	require.Equal(t, []int{12, 8}, []int{people.Pictures, people.Faces})
	require.Len(t, people.Persons, 2)
	require.Equal(t, []string{"", "messi5"}, []string{people.Persons[0].Name, people.Persons[1].Name})
	for i, photo := range []string{"basketball1.png", "messi5.jpg"} {
		require.Len(t, people.Persons[i].Faces, 4)
		for _, seen := range people.Persons[i].Faces {
			require.True(t, strings.HasSuffix(seen.Image, photo), "%v", seen)
		}
	}
	require.Equal(t, []string{"known/fruits.jpg: it shows no face"}, people.Known.Unused)

	many := prepare(t, 2)
	many.identical("data")
	require.NoError(t, os.CopyFS(filepath.Join(models, "known"), os.DirFS(filepath.Join(many.dir, "data/known"))))
	many.nodes = append(many.nodes, many.startNode(0, "0.3", "--delay", "10ms", "--models", models, "--task-timeout", "100s"))
	away, _ := many.away(1, "0", "--models", models, "--task-timeout", "100s")
	many.nodes = append(many.nodes, away)
	many.startServer()
	r, code = many.run("data", "--op", op)
	require.Zero(t, code, "%+v", r)
	require.Equal(t, one.made("data"), many.made("data"))
}

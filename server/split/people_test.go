package split_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/face"
	"spillway/job"
	"spillway/server/split"
)

// gathering is a folder with what nodes found in pictures.
type gathering struct {
	*testing.T
	dir   string // output_dir
	roots confine.Roots
	names []string
}

func newGathering(t *testing.T) *gathering {
	t.Helper()
	root, roots := tree(t, "data/input_dir/a.jpg", "data/output_dir/")
	return &gathering{T: t, dir: filepath.Join(root, "data", job.OutputDir), roots: roots}
}

// add is a picture with faces at places on a line.
func (g *gathering) add(name string, known *face.Known, at ...float32) {
	g.Helper()
	p := face.Picture{Image: name, Known: known, Faces: []face.Face{}}
	for i, x := range at {
		p.Faces = append(p.Faces, face.Face{Box: face.Box{X: i}, Descriptor: face.Descriptor{7: x}})
	}
	text, err := json.Marshal(p)
	require.NoError(g, err)
	g.put(name, string(text))
}

func (g *gathering) put(name, text string) {
	g.Helper()
	require.NoError(g, os.WriteFile(filepath.Join(g.dir, name+face.RecordSuffix), []byte(text), 0o644))
	g.names = append(g.names, name)
}

func (g *gathering) gather(ctx context.Context, op string) error {
	g.Helper()
	parsed, err := job.ParseOperation(op)
	require.NoError(g, err)
	return split.Joiner{Roots: g.roots}.Gather(ctx, "data", "jobid", parsed, func(yield func(string) bool) error {
		for _, name := range g.names {
			if !yield(name) {
				break
			}
		}
		return nil
	})
}

func (g *gathering) people() string {
	g.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, face.PeopleName))
	require.NoError(g, err)
	return string(text)
}

func TestGather_OnePersonOverManyPicturesInAnyOrder(t *testing.T) {
	g := newGathering(t)
	g.add("b.jpg", nil, 5, 1)
	g.add("a.jpg", nil, 1.1)
	g.add("c.jpg", nil)
	const want = `{"threshold":0.6,"pictures":3,"faces":3,"persons":[` +
		`{"id":1,"faces":[{"image":"a.jpg","box":{"x":0,"y":0,"width":0,"height":0}},{"image":"b.jpg","box":{"x":1,"y":0,"width":0,"height":0}}]},` +
		`{"id":2,"faces":[{"image":"b.jpg","box":{"x":0,"y":0,"width":0,"height":0}}]}]}` + "\n"
	for range 5 {
		require.NoError(t, g.gather(t.Context(), "face_identity"))
		require.Zero(t, strings.Compare(want, g.people()), "byte by byte: %s", g.people())
		rand.Shuffle(len(g.names), func(i, j int) { g.names[i], g.names[j] = g.names[j], g.names[i] })
	}
	require.NoError(t, g.gather(t.Context(), "face_identity:threshold=0.05"))
	require.Contains(t, g.people(), `"id":3`, "a stricter threshold")
	entries, err := os.ReadDir(g.dir)
	require.NoError(t, err)
	require.Len(t, entries, 4, "the pictures' own files stay, and nothing else")
}

func TestGather_IsForFaceIdentityAlone(t *testing.T) {
	require.Equal(t, "people.json", split.Joiner{}.Gathers(job.Operation{Name: "face_identity"}))
	require.Empty(t, split.Joiner{}.Gathers(job.Operation{Name: "face_landmarks"}))
	require.False(t, split.Joiner{}.Joins(job.Operation{Name: "face_identity"}))
}

func TestGather_WhatCannotBeReadIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		text, want string
		code       job.Code
	}{
		"not JSON":        {"hello", "it does not describe faces", job.DataLoss},
		"cut off":         {`{"image":"x.jpg","faces":[{"descriptor":[0,`, "it does not describe faces", job.DataLoss},
		"half a face":     {`{"image":"x.jpg","faces":[{"descriptor":[0,1]}]}`, "a descriptor has 128 numbers, not 2", job.DataLoss},
		"another picture": {`{"image":"y.jpg","faces":[]}`, `it is about "y.jpg"`, job.DataLoss},
		"an empty file":   {"", "it does not describe faces", job.DataLoss},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGathering(t)
			g.add("a.jpg", nil, 1)
			g.put("x.jpg", row.text)
			err := g.gather(t.Context(), "face_identity")
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "read output_dir/x.jpg.identity.json: ")
			require.ErrorContains(t, err, row.want)
			require.NoFileExists(t, filepath.Join(g.dir, face.PeopleName))
		})
	}
	g := newGathering(t)
	g.names = []string{"gone.jpg"}
	require.Equal(t, job.FailedPrecondition, job.CodeOf(g.gather(t.Context(), "face_identity")))
	g.names = []string{"../a.jpg"}
	require.Equal(t, job.PermissionDenied, job.CodeOf(g.gather(t.Context(), "face_identity")))
}

func TestGather_NodesThatKnowOtherPeopleAreTold(t *testing.T) {
	g := newGathering(t)
	g.add("a.jpg", &face.Known{Folder: "known", Sum: "1"}, 1)
	g.add("b.jpg", &face.Known{Folder: "known", Sum: "2"}, 1)
	err := g.gather(t.Context(), "face_identity:known=known")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.ErrorContains(t, err, `"a.jpg" and "b.jpg" were not compared with the same`)
	require.Contains(t, job.HintOf(err), "--models")
}

func TestGather_EndsWithItsContextAndWithoutALeftover(t *testing.T) {
	g := newGathering(t)
	g.add("a.jpg", nil, 1)
	ctx, end := context.WithCancelCause(t.Context())
	why := errors.New("why")
	end(why)
	require.ErrorIs(t, g.gather(ctx, "face_identity"), why)
	require.NoError(t, os.Mkdir(filepath.Join(g.dir, face.PeopleName), 0o755))
	err := g.gather(t.Context(), "face_identity")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err), "%v", err)
	entries, readErr := os.ReadDir(g.dir)
	require.NoError(t, readErr)
	require.Len(t, entries, 2)
}

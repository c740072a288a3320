package media

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// echo answers with what it was asked.
type echo struct{ heard []any }

func (e *echo) Metadata(_ context.Context, path string) (job.VideoInfo, error) {
	e.heard = []any{path}
	return job.VideoInfo{Codec: "h264"}, nil
}

func (e *echo) Extract(_ context.Context, path, dir string, x job.Extraction) (int, error) {
	e.heard = []any{path, dir, x}
	return 7, nil
}

func (e *echo) Create(_ context.Context, c job.Creation, out string) error {
	e.heard = []any{c, out}
	return nil
}

func (e *echo) DetectFace(context.Context, string) ([]job.Point, error) { panic("native") }

func (e *echo) DrawMesh(_ context.Context, path, out string, face []job.Point) error {
	e.heard = []any{path, out, face}
	return errors.New("no mesh")
}

func TestClient_AsksThroughAPipeWhatItWasAsked(t *testing.T) {
	n := &echo{}
	handle := Handler(n)
	var folder string
	c := NewClient(func(ctx context.Context, r Request) (Reply, error) {
		var wire bytes.Buffer
		require.NoError(t, gob.NewEncoder(&wire).Encode(r))
		var far Request
		require.NoError(t, gob.NewDecoder(&wire).Decode(&far))
		folder = far.Folder()
		return handle(ctx, far)
	})
	v, err := c.Metadata(t.Context(), "/v")
	require.NoError(t, err)
	require.Equal(t, "h264", v.Codec)
	require.Equal(t, []any{"/v"}, n.heard)
	require.Empty(t, folder)
	x := job.Extraction{Rate: job.Rate{Num: 25, Den: 1}, From: time.Second}
	count, err := c.Extract(t.Context(), "/v", "/d", x)
	require.NoError(t, err)
	require.Equal(t, 7, count)
	require.Equal(t, []any{"/v", "/d", x}, n.heard)
	require.Equal(t, "/d", folder)
	creation := job.Creation{Names: []string{"/a", "/b"}, Audio: "/s"}
	require.NoError(t, c.Create(t.Context(), creation, "/d/out.mp4"))
	require.Equal(t, []any{creation, "/d/out.mp4"}, n.heard)
	require.Equal(t, "/d", folder)
	face := []job.Point{{X: 1, Y: 2}}
	require.EqualError(t, c.DrawMesh(t.Context(), "/p", "/d/m", face), "no mesh")
	require.Equal(t, []any{"/p", "/d/m", face}, n.heard)
	_, err = c.DetectFace(t.Context(), "/p")
	require.Equal(t, job.Internal, job.CodeOf(err), "a panic is an error")
	_, err = handle(t.Context(), Request{Kind: "magic"})
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
}

package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// filesNode answers calls about files with what it was asked, so that a test sees that
// both sides of the wire mean the same.
type filesNode struct {
	fakeNode
	asked chan any
	fail  error
}

func (n filesNode) note(v any) error {
	n.asked <- v
	return n.fail
}

func (n filesNode) Put(_ context.Context, p job.Piece) error { return n.note(p) }

func (n filesNode) PutOffset(_ context.Context, name string, size int64) (int64, error) {
	return size / 2, n.note(name)
}

func (n filesNode) Get(_ context.Context, name string, offset int64) (job.Piece, error) {
	p := job.Piece{Name: name, Size: offset + 3, Offset: offset, Data: []byte("\x00\xff\n"), Sum: make([]byte, 32)}
	return p, n.note(name)
}

func (n filesNode) List(context.Context) ([]job.FileInfo, error) {
	return []job.FileInfo{{Name: "a", Size: 1}, {Name: "b", Size: 1 << 40}}, n.note("list")
}

func (n filesNode) Delete(_ context.Context, name string) error { return n.note(name) }

func (n filesNode) DeleteAll(context.Context) error { return n.note("all") }

func (n filesNode) View(context.Context) ([]job.Activity, error) {
	return []job.Activity{{File: "12.7.png", Operation: "edges", Since: time.UnixMicro(5).UTC()}}, n.note("view")
}

func (n filesNode) Metadata(_ context.Context, name string) (job.VideoInfo, error) {
	return aVideo(), n.note(name)
}

func (n filesNode) Extract(_ context.Context, e job.Extraction) ([]string, error) {
	return []string{"v.1.png", "v.2.png"}, n.note(e)
}

func (n filesNode) Create(_ context.Context, c job.Creation) (string, error) {
	return "v.mp4", n.note(c)
}

func (n filesNode) DetectFace(_ context.Context, name string) ([]job.Point, error) {
	return []job.Point{{X: 1, Y: 2.5}}, n.note(name)
}

func (n filesNode) DrawMesh(_ context.Context, name string, face []job.Point) (string, error) {
	return job.MeshPrefix + name, n.note(face)
}

func aVideo() job.VideoInfo {
	return job.VideoInfo{
		Rate: job.Rate{Num: 30000, Den: 1001}, Duration: 1500 * time.Millisecond, Width: 1920, Height: 1080, Codec: "h264", Frames: 45, Audio: true,
	}
}

func TestFiles_FarIsAsNear(t *testing.T) {
	node := filesNode{asked: make(chan any, 1)}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	conn := connect(t, addr, NodeConnConfig{})
	ctx := soon(t)
	data := []byte(strings.Repeat("\x00\xff", job.ChunkBytes/2))
	piece := job.Piece{Name: "ü.png", Size: int64(len(data)), Data: data, Sum: make([]byte, 32)}
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("video.%d.png", i)
	}
	extraction := job.Extraction{Name: "v.mp4", Rate: job.Rate{Num: 25, Den: 2}, From: time.Second, Duration: time.Minute}
	creation := job.Creation{Names: many, Rate: job.Rate{Num: 25, Den: 1}, Duration: time.Hour, Output: "o.mp4", Audio: "v.mp4"}
	face := []job.Point{{X: -1, Y: 0.25}, {X: 3, Y: 4}}
	for _, row := range []struct {
		name        string
		call        func() (any, error)
		asked, want any
	}{
		{"put", func() (any, error) { return nil, conn.Put(ctx, piece) }, piece, nil},
		{"put offset", func() (any, error) { return conn.PutOffset(ctx, "a", 10) }, "a", int64(5)},
		{"get", func() (any, error) { return conn.Get(ctx, "a", 1<<40) }, "a", job.Piece{Name: "a", Size: 1<<40 + 3, Offset: 1 << 40, Data: []byte("\x00\xff\n"), Sum: make([]byte, 32)}},
		{"list", func() (any, error) { return conn.List(ctx) }, "list", []job.FileInfo{{Name: "a", Size: 1}, {Name: "b", Size: 1 << 40}}},
		{"delete", func() (any, error) { return nil, conn.Delete(ctx, "a") }, "a", nil},
		{"delete all", func() (any, error) { return nil, conn.DeleteAll(ctx) }, "all", nil},
		{"view", func() (any, error) { return conn.View(ctx) }, "view", []job.Activity{{File: "12.7.png", Operation: "edges", Since: time.UnixMicro(5).UTC()}}},
		{"metadata", func() (any, error) { return conn.Metadata(ctx, "a") }, "a", aVideo()},
		{"extract", func() (any, error) { return conn.Extract(ctx, extraction) }, extraction, []string{"v.1.png", "v.2.png"}},
		{"extract all", func() (any, error) { return conn.Extract(ctx, job.Extraction{Name: "v"}) }, job.Extraction{Name: "v"}, []string{"v.1.png", "v.2.png"}},
		{"create", func() (any, error) { return conn.Create(ctx, creation) }, creation, "v.mp4"},
		{"face", func() (any, error) { return conn.DetectFace(ctx, "a") }, "a", []job.Point{{X: 1, Y: 2.5}}},
		{"mesh", func() (any, error) { return conn.DrawMesh(ctx, "a", face) }, face, "mesh-a"},
	} {
		got, err := row.call()
		require.NoError(t, err, row.name)
		require.Equal(t, row.want, got, row.name)
		require.Equal(t, row.asked, <-node.asked, row.name)
	}
}

func TestFiles_ErrorsKeepCodeAndHint(t *testing.T) {
	node := filesNode{asked: make(chan any, 20), fail: job.E(job.NotFound, "file x", errors.New("no such file"), "put it first")}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	for name, err := range allFileCalls(t, connect(t, addr, NodeConnConfig{})) {
		require.Equal(t, job.NotFound, job.CodeOf(err), name)
		require.EqualError(t, err, "file x: no such file", name)
		require.Equal(t, "put it first", job.HintOf(err), name)
	}
}

func TestFiles_ANodeWithoutThemSaysSo(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	for name, err := range allFileCalls(t, connect(t, addr, NodeConnConfig{})) {
		require.Equal(t, job.Unimplemented, job.CodeOf(err), name)
	}
}

func TestFiles_AreForClientsAndServersAlone(t *testing.T) {
	a := newAuthority(t)
	l, err := Listen("127.0.0.1:0", ListenOptions{TLS: a.credentials(as("node/node_0"))})
	require.NoError(t, err)
	node := filesNode{asked: make(chan any, 100)}
	background(t, func(ctx context.Context) error { return ServeNode(ctx, l, node, quietLog()) })
	for role, want := range map[Role]job.Code{ClientRole: "", ServerRole: "", "node/node_0": job.PermissionDenied} {
		conn := connect(t, l.Addr().String(), NodeConnConfig{TLS: a.credentials(as(role)), Node: "node_0"})
		for name, err := range allFileCalls(t, conn) {
			if want == "" {
				require.NoError(t, err, "%s %s", role, name)
				continue
			}
			require.Equal(t, want, job.CodeOf(err), "%s %s: %v", role, name, err)
		}
	}
}

// allFileCalls makes every call about files.
func allFileCalls(t *testing.T, conn *NodeConn) map[string]error {
	ctx := soon(t)
	errs := map[string]error{
		"put": conn.Put(ctx, job.Piece{Name: "x"}), "delete": conn.Delete(ctx, "x"), "delete all": conn.DeleteAll(ctx),
	}
	_, errs["put offset"] = conn.PutOffset(ctx, "x", 1)
	_, errs["get"] = conn.Get(ctx, "x", 0)
	_, errs["list"] = conn.List(ctx)
	_, errs["view"] = conn.View(ctx)
	_, errs["metadata"] = conn.Metadata(ctx, "x")
	_, errs["extract"] = conn.Extract(ctx, job.Extraction{Name: "x"})
	_, errs["create"] = conn.Create(ctx, job.Creation{Names: []string{"x"}})
	_, errs["face"] = conn.DetectFace(ctx, "x")
	_, errs["mesh"] = conn.DrawMesh(ctx, "x", nil)
	return errs
}

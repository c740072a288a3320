package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/computenode/files"
	"spillway/computenode/workspace"
	"spillway/job"
	"spillway/rpc"
	"spillway/view"
)

// fileNode is a node with files, and media that says what it was asked.
type fileNode struct {
	*files.Desk
	asked chan any
}

func (n fileNode) Execute(context.Context, job.Task) (job.Result, error) { return job.Result{}, nil }
func (n fileNode) Probe(context.Context) (job.Load, error)               { return job.Load{}, nil }
func (n fileNode) Profile() job.Profile                                  { return job.Profile{} }
func (n fileNode) Log(int) []string                                      { return nil }

func (n fileNode) Metadata(context.Context, string) (job.VideoInfo, error) {
	return job.VideoInfo{Rate: job.Rate{Num: 30000, Den: 1001}, Duration: 1500 * time.Millisecond, Width: 4, Height: 2, Codec: "h264", Frames: 45}, nil
}

func (n fileNode) Extract(_ context.Context, e job.Extraction) ([]string, error) {
	n.asked <- e
	return []string{"v.1.png", "v.2.png"}, nil
}

func (n fileNode) Create(_ context.Context, c job.Creation) (string, error) {
	n.asked <- c
	return c.Output, nil
}

func (n fileNode) DetectFace(_ context.Context, name string) ([]job.Point, error) {
	if name != "face.png" {
		return nil, nil
	}
	return make([]job.Point, job.FacePoints), nil
}

func (n fileNode) DrawMesh(_ context.Context, name string, face []job.Point) (string, error) {
	n.asked <- len(face)
	return job.MeshPrefix + name, nil
}

// startFileNode serves a node with files, and returns its address.
func startFileNode(t *testing.T) (addr string, n fileNode) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir()}, log)
	require.NoError(t, err)
	n = fileNode{Desk: files.New(files.Config{Space: space}, log), asked: make(chan any, 10)}
	l, err := rpc.Listen("127.0.0.1:0", rpc.ListenOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = rpc.ServeNode(ctx, l, n, log) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		require.NoError(t, space.Close())
	})
	return l.Addr().String(), n
}

func TestNodeFiles_GoToANodeAndBack(t *testing.T) {
	addr, _ := startFileNode(t)
	data, path := content(t, 3*job.ChunkBytes+5)
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := client(t.Context(), append([]string{"node", addr}, args...)...)
		require.Equal(t, exitDone, code, stderr)
		return stdout
	}
	require.Equal(t, fmt.Sprintf("in.bin: %d bytes\n", len(data)), run("put", path))
	require.Contains(t, run("ls"), fmt.Sprintf("in.bin  %d", len(data)))
	run("get", "in.bin", dir)
	back, err := os.ReadFile(filepath.Join(dir, "in.bin"))
	require.NoError(t, err)
	require.Equal(t, data, back)
	t.Chdir(dir)
	run("get", "in.bin", "other")
	require.FileExists(t, "other")
	var f fileView
	require.NoError(t, json.Unmarshal([]byte(run("ls", "--json")), &f))
	require.Equal(t, fileView{Name: "in.bin", Size: int64(len(data))}, f)
	require.Equal(t, "no job\n", run("view"))
	require.Equal(t, "deleted in.bin\n", run("delete", "in.bin"))
	require.Equal(t, "the node has no files any more\n", run("delete-all"))
	code, _, stderr := client(t.Context(), "node", addr, "delete", "in.bin")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "file in.bin: the node has no such file")
}

func TestNodeFiles_ANodeThatIsNotThereIsNotTakenForAServer(t *testing.T) {
	t.Chdir(t.TempDir()) // no machine.txt
	code, _, stderr := client(t.Context(), "node", "127.0.0.1:1", "view")
	require.Equal(t, exitUnreachable, code)
	require.Contains(t, stderr, "127.0.0.1:1")
	require.NotContains(t, stderr, "that is where one listens")
}

func TestNodeFiles_MediaIsAskedForAsItIsWritten(t *testing.T) {
	addr, n := startFileNode(t)
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := client(t.Context(), append([]string{"node", addr}, args...)...)
		require.Equal(t, exitDone, code, stderr)
		return stdout
	}
	require.Contains(t, run("metadata", "v.mp4"), "29.97 (30000/1001)")
	var v view.Video
	require.NoError(t, json.Unmarshal([]byte(run("metadata", "v.mp4", "--json")), &v))
	require.Equal(t, int64(1001), v.RateDen)
	require.Equal(t, "v.1.png\nv.2.png\n", run("extract", "v.mp4", "--rate", "29.97", "--from", "1m", "--duration", "2s"))
	require.Equal(t, job.Extraction{Name: "v.mp4", Rate: job.Rate{Num: 30000, Den: 1001}, From: time.Minute, Duration: 2 * time.Second}, <-n.asked)
	require.Equal(t, "o.mp4\n", run("create", "o.mp4", "v.1.png", "v.2.png", "--rate=5", "--audio", "v.mp4"))
	require.Equal(t, job.Creation{Output: "o.mp4", Names: []string{"v.1.png", "v.2.png"}, Rate: job.Rate{Num: 5, Den: 1}, Audio: "v.mp4"}, <-n.asked)
	require.Equal(t, job.FacePoints-1, strings.Count(run("face", "face.png"), ", "))
	require.Equal(t, "mesh-face.png\n", run("mesh", "face.png"))
	require.Equal(t, job.FacePoints, <-n.asked)
	code, _, stderr := client(t.Context(), "node", addr, "mesh", "none.png")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "no face detected in none.png; use a picture of a face from in front")
}

func TestNodeFiles_TheNodeIsFoundByTheServerOrMachineTxt(t *testing.T) {
	addr, _ := startFileNode(t)
	s := serve(t, works)
	s.nodes = []job.Node{{ID: "node_7", Addr: addr, State: job.Idle}}
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "node", "node_7", "view")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "no job\n", stdout)
	code, _, stderr = client(t.Context(), "--server", s.addr, "node", "node_8", "view")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "node node_8: no such node; list the nodes with: client nodes")
	s.stop()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("machine.txt", []byte("server "+s.addr+"\nnode_8 "+addr+"\n"), 0o600))
	code, stdout, stderr = client(t.Context(), "node", "node_8", "view")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "no job\n", stdout)
	code, _, _ = client(t.Context(), "node", "node_9", "view")
	require.Equal(t, exitUnreachable, code)
}

func TestNodeFiles_WrongUsageIsOneClearLine(t *testing.T) {
	for args, want := range map[string]string{
		"node n dance":                       `client node has no command "dance"; client node --help shows its commands`,
		"node n put":                         "client node NAME put wants FILE...",
		"node n create o.mp4":                "client node NAME create wants OUT FILE...",
		"node n face a b":                    `"b" is one argument too many`,
		"node n view x":                      `"x" is one argument too many`,
		"node n face a --rate 5":             "--rate does not go with that",
		"node n extract a --rate fast":       "--rate: frame rate fast: it is no number from 0.001 to 1000",
		"node n extract a --from -1s":        "--from and --duration count from the video's beginning",
		"nodes --rate 5":                     "--rate goes with client node",
		"--server 127.0.0.1:1 node --rate 5": "client node wants the name of a node",
	} {
		code, _, stderr := client(t.Context(), append([]string{"--server", "127.0.0.1:1"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, stderr, want, args)
		require.Equal(t, 1, strings.Count(stderr, "\n"), args)
	}
	code, stdout, _ := client(t.Context(), "node", "--help")
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, "client node NAME put FILE...")
}

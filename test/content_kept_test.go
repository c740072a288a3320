//go:build gocv_specific_modules

package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// largeClip is 960 frames that take much room, since each is noise and stands alone.
const largeClip = "-f lavfi -i testsrc=s=96x72:r=30:d=32 -vf noise=alls=60 -c:v mjpeg -q:v 1"

// sentTo is how many bytes the server has sent to a node.
func (c *cluster) sentTo(name string) int64 {
	c.t.Helper()
	out, code := c.client("node", name, "--json")
	require.Zero(c.t, code, out)
	var v struct {
		Link struct {
			Sent int64 `json:"bytes_sent"`
		} `json:"link"`
	}
	require.NoError(c.t, json.Unmarshal([]byte(out), &v), out)
	return v.Link.Sent
}

func TestContent_PartsOfAVideoFetchItOnce(t *testing.T) {
	needFFmpeg(t)
	c := prepare(t, 1)
	node, root := c.away(0, "0", "--slots", "4")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := filepath.Join(c.folder("data"), "clip.avi")
	clip(t, in, largeClip)
	info, err := os.Stat(in)
	require.NoError(t, err)
	r, code := c.run("data", "--op", "video:edges")
	require.Zero(t, code, "%+v", r)
	require.GreaterOrEqual(t, r.Total, 8, "it is split")
	sent := c.sentTo(c.names[0])
	t.Logf("%d parts of a file of %d bytes: %d bytes were sent", r.Total, info.Size(), sent)
	require.Greater(t, sent, info.Size())
	require.Less(t, sent, 2*info.Size())
	requireEmptyWorkspace(t, root)
}

func TestContent_AVideoThatIsKeptNeverTakesTheRoomOfATask(t *testing.T) {
	needFFmpeg(t)
	c := prepare(t, 1)
	in := filepath.Join(c.folder("data"), "clip.avi")
	clip(t, in, largeClip)
	other := filepath.Join(c.folder("data"), "second.avi")
	data, err := os.ReadFile(in)
	require.NoError(t, err)
	write(t, other, data)
	// Room for one of them and a segment of it: while one is kept, the other does not fit.
	node, root := c.away(0, "0", "--slots", "1", "--workspace-quota", fmt.Sprint(len(data)*3/2))
	c.nodes = append(c.nodes, node)
	c.startServer()
	r, code := c.run("data", "--op", "video:edges")
	require.Zero(t, code, "%+v", r.Failures)
	require.Equal(t, []string{"clip.mp4", "second.mp4"}, c.outputs("data"))
	requireEmptyWorkspace(t, root)
}

func TestContent_AKilledNodeLeavesNothingOfWhatItKept(t *testing.T) {
	needFFmpeg(t)
	c := prepare(t, 2)
	node, root := c.away(0, "0", "--slots", "1")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := filepath.Join(c.folder("data"), "clip.avi")
	clip(t, in, largeClip)
	client := spawn(t, c.dir, "client", "--op", "video:edges", "data")
	kept := func() bool {
		for _, path := range taskFiles(root) {
			if strings.Contains(path, "/kept/") && !strings.HasSuffix(path, ".part") {
				return true
			}
		}
		return false
	}
	eventually(t, "the video is kept", kept)
	node.kill()
	_, other := c.away(1, "0")
	require.Zero(t, client.wait(), client.out.String())
	require.Equal(t, []string{"clip.mp4"}, c.outputs("data"))
	requireEmptyWorkspace(t, other)
	again := spawn(t, root, "computenode", "0", "--name", c.names[0], "--machines", filepath.Join(c.dir, "machine.txt"), "--workspace", filepath.Join(root, "space"))
	eventually(t, "the node is back", func() bool { return strings.Contains(again.out.String(), "ready") })
	requireEmptyWorkspace(t, root)
}

//go:build gocv_specific_modules

package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// away starts node i of the cluster with a root and a workspace of its own, which
// it returns: it sees nothing of the job's folder.
func (c *cluster) away(i int, args ...string) (node *process, root string) {
	c.t.Helper()
	root = c.t.TempDir()
	space := filepath.Join(root, "space")
	require.NoError(c.t, os.MkdirAll(space, 0o755))
	args = append(args, "--name", c.names[i], "--machines", filepath.Join(c.dir, "machine.txt"), "--workspace", space)
	return spawn(c.t, root, "computenode", args...), root
}

// requireEmptyWorkspace checks that a node that is away holds no file of a task, once
// it has heard that nobody waits for what it still works on.
func requireEmptyWorkspace(t *testing.T, root string) {
	t.Helper()
	eventually(t, "the workspace is empty", func() bool { return len(taskFiles(root)) == 0 })
}

// taskFiles are the files of tasks in the workspaces below root.
func taskFiles(root string) (found []string) {
	_ = filepath.Walk(filepath.Join(root, "space"), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Name() != "lock" {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// wideBMP is a picture file of about so many bytes, without compression.
func wideBMP(size int) []byte {
	const width = 4096
	height := size / (width * 3)
	b := make([]byte, 54+width*3*height)
	copy(b, "BM")
	binary.LittleEndian.PutUint32(b[2:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[10:], 54)
	binary.LittleEndian.PutUint32(b[14:], 40)
	binary.LittleEndian.PutUint32(b[18:], width)
	binary.LittleEndian.PutUint32(b[22:], uint32(height))
	binary.LittleEndian.PutUint16(b[26:], 1)
	binary.LittleEndian.PutUint16(b[28:], 24)
	for i := 54; i < len(b); i++ {
		b[i] = byte(i * i >> 7)
	}
	return b
}

// fillFolder puts pictures of several kinds and sizes into the folder's input_dir
// and returns their names.
func (c *cluster) fillFolder(folder string) []string {
	c.t.Helper()
	in := c.folder(folder)
	var names []string
	for i := range 20 {
		name := fmt.Sprintf("%02d ünï %% \n写.png", i)
		write(c.t, filepath.Join(in, name), pngBytes(c.t, i))
		names = append(names, name)
	}
	write(c.t, filepath.Join(in, "large.bmp"), wideBMP(40<<20))
	require.NoError(c.t, os.Symlink("large.bmp", filepath.Join(in, "linked.bmp")))
	return append(names, "large.bmp", "linked.bmp")
}

// requireSameOutputs checks that two folders of the cluster have the same outputs.
func (c *cluster) requireSameOutputs(a, b string, names []string) {
	c.t.Helper()
	require.ElementsMatch(c.t, names, c.outputs(a))
	require.ElementsMatch(c.t, names, c.outputs(b))
	for _, name := range names {
		one, err := os.ReadFile(filepath.Join(c.dir, a, "output_dir", name))
		require.NoError(c.t, err)
		other, err := os.ReadFile(filepath.Join(c.dir, b, "output_dir", name))
		require.NoError(c.t, err)
		require.True(c.t, bytes.Equal(one, other), "%s differs", name) // and 40 MB are not printed
	}
}

func TestContent_NodesThatSeeNothingMakeTheSameOutputs(t *testing.T) {
	c := prepare(t, 3)
	var roots [2]string
	for i := range roots {
		node, root := c.away(i, "0.3", "--delay", "20ms")
		c.nodes, roots[i] = append(c.nodes, node), root
	}
	c.nodes = append(c.nodes, c.startNode(2, "0.3", "--delay", "20ms"))
	c.startServer()
	names := c.fillFolder("away")
	c.fillFolder("shared")

	r, code := c.run("away", "--op", "blur:kernel=7", "--policy", "balance") // which uses every node
	require.Zero(t, code, "%+v", r.Failures)
	for i, n := range r.Nodes {
		require.Zero(t, n.Failed, "%+v", r.Nodes)
		require.Positive(t, n.Done, "node %d works, too", i)
	}
	for _, root := range roots {
		requireEmptyWorkspace(t, root)
	}
	for _, i := range []int{0, 1} {
		_, code := c.client("drain", c.names[i])
		require.Zero(t, code)
	}
	r, code = c.run("shared", "--op", "blur:kernel=7")
	require.Zero(t, code, "%+v", r.Failures)
	c.requireSameOutputs("away", "shared", names)

	for i, root := range roots {
		c.nodes[i].signal(os.Interrupt)
		require.Zero(t, c.nodes[i].wait())
		left, err := os.ReadDir(filepath.Join(root, "space"))
		require.NoError(t, err)
		require.Empty(t, left, "a node that stops takes its workspace along")
	}
}

func TestContent_ACopyOfTheFolderIsNotTakenForIt(t *testing.T) {
	c := prepare(t, 1)
	in := c.folder("data")
	for i := range 5 {
		write(t, filepath.Join(in, fmt.Sprintf("%d.png", i)), pngBytes(t, i))
	}
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "data", "output_dir"), 0o755))
	// The node sees another directory under the very same path, with equal files in it.
	copied := filepath.Join(t.TempDir(), "copy")
	out, err := exec.Command("cp", "-a", c.dir, copied).CombinedOutput()
	require.NoError(t, err, string(out))
	script := fmt.Sprintf("mount --bind %q %q && cd %q && exec %q 0 --name node_0", copied, c.dir, c.dir, filepath.Join(bin, "computenode"))
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skipf("a mount of one's own needs root: %v", err)
	}
	c.nodes = append(c.nodes, spawnCommand(t, exec.Command("unshare", "-m", "sh", "-c", script)))
	c.startServer()
	r, code := c.run("data")
	require.Zero(t, code, "%+v", r.Failures)
	require.Len(t, c.outputs("data"), 5)
	left, err := os.ReadDir(filepath.Join(copied, "data", "output_dir"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing was written into the copy")
}

func TestContent_BadInputIsNamedAsWhereTheFolderIsShared(t *testing.T) {
	c := prepare(t, 1)
	node, root := c.away(0, "0")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := c.folder("data")
	write(t, filepath.Join(in, "good.png"), pngBytes(t, 1))
	write(t, filepath.Join(in, "empty.jpg"), nil)
	write(t, filepath.Join(in, "half.jpg"), jpegBytes(t, 4)[:600])
	require.NoError(t, os.Mkdir(filepath.Join(in, "folder.png"), 0o755))
	require.NoError(t, os.Symlink("nowhere.png", filepath.Join(in, "dangling.png")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(in, "absolute.png")))
	require.NoError(t, os.Symlink("../../../../../../../../etc/passwd", filepath.Join(in, "escape.png")))
	require.NoError(t, unix.Mkfifo(filepath.Join(in, "pipe.png"), 0o644))
	sparse(t, filepath.Join(in, "giant.bmp"), 600<<20)
	reasons := map[string][2]string{
		"empty.jpg":    {"invalid_argument", "empty"},
		"half.jpg":     {"data_loss", "cut"},
		"folder.png":   {"invalid_argument", "directory"},
		"dangling.png": {"not_found", "leads nowhere"},
		"absolute.png": {"permission_denied", "leads out"},
		"escape.png":   {"permission_denied", "leads out"},
		"pipe.png":     {"invalid_argument", "regular"},
		"giant.bmp":    {"invalid_argument", "600 MiB"},
	}
	r, code := c.run("data")
	require.Equal(t, 1, code)
	require.Equal(t, 1, r.Done)
	require.Len(t, r.Failures, len(reasons))
	for _, f := range r.Failures {
		require.Equal(t, reasons[f.Name][0], f.Error.Code, "%+v", f)
		require.Contains(t, f.Error.Message, reasons[f.Name][1], "%+v", f)
		require.Contains(t, f.Error.Message, f.Name)
		require.NotEmpty(t, f.Error.Hint, "%+v", f)
	}
	require.Equal(t, []string{"good.png"}, c.outputs("data"))
	requireEmptyWorkspace(t, root)
}

// sparse makes a file of so many zeros.
func sparse(t *testing.T, path string, size int64) {
	t.Helper()
	write(t, path, nil)
	require.NoError(t, os.Truncate(path, size))
}

func TestContent_ANodeThatDiesInTransferLosesNothing(t *testing.T) {
	c := prepare(t, 2)
	node, root := c.away(0, "0", "--slots", "1")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := c.folder("data")
	var names []string
	for i := range 4 {
		names = append(names, fmt.Sprintf("%d.bmp", i))
		write(t, filepath.Join(in, names[i]), wideBMP(30<<20))
	}
	client := spawn(t, c.dir, "client", "--op", "rotate", "data")
	eventually(t, "a file is on its way", func() bool { return len(taskFiles(root)) > 0 })
	node.kill()
	require.NotEmpty(t, taskFiles(root), "a node that is killed cannot tidy up")
	second, other := c.away(1, "0")
	require.Zero(t, client.wait(), client.out.String())
	require.ElementsMatch(t, names, c.outputs("data"))
	requireEmptyWorkspace(t, other)
	second.kill()

	again := spawn(t, root, "computenode", "0", "--name", c.names[0], "--machines", filepath.Join(c.dir, "machine.txt"), "--workspace", filepath.Join(root, "space"))
	eventually(t, "the node is back", func() bool { return strings.Contains(again.out.String(), "ready") })
	requireEmptyWorkspace(t, root)
}

func TestContent_AServerThatDiesInTransferLeavesNothing(t *testing.T) {
	c := prepare(t, 1)
	node, root := c.away(0, "0", "--slots", "2")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := c.folder("data")
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("%d.bmp", i))
		write(t, filepath.Join(in, names[i]), wideBMP(4<<20))
	}
	_, id := c.begin("data", "--op", "rotate")
	c.server.kill()
	eventually(t, "the node has dropped what nobody waits for", func() bool { return len(taskFiles(root)) == 0 })
	c.startServer()
	eventually(t, "the job ends", func() bool { return c.jobs()[0].State == "succeeded" })
	c.requireDoneOnce(id, len(names))
	require.ElementsMatch(t, names, c.outputs("data"))
}

func TestContent_AWorkspaceTooSmallSendsTasksElsewhere(t *testing.T) {
	c := prepare(t, 2)
	small, root := c.away(0, "0", "--workspace-quota", "1MiB")
	large, other := c.away(1, "0")
	c.nodes = append(c.nodes, small, large)
	c.startServer("--stall-timeout", "4s")
	in := c.folder("data")
	for i := range 6 {
		write(t, filepath.Join(in, fmt.Sprintf("%d.bmp", i)), wideBMP(3<<20))
		write(t, filepath.Join(in, fmt.Sprintf("%d.png", i)), pngBytes(t, i))
	}
	r, code := c.run("data")
	require.Zero(t, code, "%+v", r.Failures)
	require.Equal(t, 12, r.Done)
	require.Len(t, c.outputs("data"), 12)
	requireEmptyWorkspace(t, root)
	requireEmptyWorkspace(t, other)

	large.kill()
	r, code = c.run("data", "--op", "rotate")
	require.Equal(t, 1, code)
	for _, f := range r.Failures {
		require.Contains(t, f.Error.Message, "workspace")
		require.Contains(t, f.Error.Hint, "--workspace-quota")
	}
}

func TestContent_AFullDiskUnderTheWorkspaceIsTold(t *testing.T) {
	c := prepare(t, 1)
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	root := t.TempDir()
	node := spawn(t, root, "computenode", "0", "--name", c.names[0], "--machines", filepath.Join(c.dir, "machine.txt"), "--workspace", disk)
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := c.folder("data")
	write(t, filepath.Join(in, "large.bmp"), wideBMP(3<<20))
	write(t, filepath.Join(in, "small.png"), pngBytes(t, 1))
	r, code := c.run("data")
	require.Equal(t, 1, code)
	require.Len(t, r.Failures, 1)
	require.Equal(t, "unavailable", r.Failures[0].Error.Code)
	require.Contains(t, r.Failures[0].Error.Message, "the disk of the node's workspace is full")
	require.Contains(t, r.Failures[0].Error.Hint, "--workspace")
	require.Equal(t, []string{"small.png"}, c.outputs("data"))
}

func TestContent_LargeFilesTakeLittleMemory(t *testing.T) {
	c := prepare(t, 1)
	node, root := c.away(0, "0", "--slots", "2")
	c.nodes = append(c.nodes, node)
	c.startServer()
	in := c.folder("data")
	for i := range 2 {
		sparse(t, filepath.Join(in, fmt.Sprintf("%d.bmp", i)), 300<<20)
	}
	r, code := c.run("data")
	require.Equal(t, 1, code)
	for _, f := range r.Failures { // they came whole, and are no pictures
		require.Equal(t, "invalid_argument", f.Error.Code, "%+v", f)
		require.NotEmpty(t, f.Nodes, "%+v", f)
	}
	for _, p := range []*process{c.server, node} {
		require.Less(t, peak(t, p), 128<<20, p.name)
	}
	requireEmptyWorkspace(t, root)
}

// peak is the most memory that a process had, in bytes.
func peak(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int
			_, err := fmt.Sscanf(rest, "%d kB", &kib)
			require.NoError(t, err)
			t.Logf("%s had %d MiB", p.name, kib>>10)
			return kib << 10
		}
	}
	require.FailNow(t, "no VmHWM")
	return 0
}

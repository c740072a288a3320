package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// python is Debian's, which has python3-thrift.
const python = "/usr/bin/python3"

// needPython skips where Debian's python3-thrift is not installed.
// needModule skips the test where Debian's Python lacks a module; where all must be
// there, it fails.
func needModule(t *testing.T, module, in string) {
	t.Helper()
	if err := exec.Command(python, "-c", "import "+module).Run(); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "%s is not installed: tools/deps test", in)
		t.Skip(in + " is not installed")
	}
}

func needPython(t *testing.T) {
	t.Helper()
	needModule(t, "thrift.Thrift", "python3-thrift")
}

func assignment(t *testing.T, args ...string) (string, error) {
	t.Helper()
	script, err := filepath.Abs("testdata/assignment.py")
	require.NoError(t, err)
	out, err := exec.Command(python, append([]string{script}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// startPython runs one of the assignment's own servers or nodes, which listens on
// addr, until the test ends.
func startPython(t *testing.T, mode, addr string, args ...string) {
	t.Helper()
	script, err := filepath.Abs("testdata/assignment.py")
	require.NoError(t, err)
	cmd := exec.Command(python, append([]string{script, mode, port(addr)}, args...)...)
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Python %s %v said:\n%s", mode, args, out.String())
		}
	})
	eventually(t, "Python listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func TestAssignment_PythonClientSubmitsToOurServer(t *testing.T) {
	needPython(t)
	c := newCluster(t, nil, nodeArgs{"0.3", "--delay", "10ms"}, nodeArgs{"0"})
	in := c.folder("data")
	for _, isRandom := range []string{"true", "false"} {
		for i := range 5 { // a folder whose files cannot be pictures still runs to its end
			require.NoError(t, os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.png", i)), nil, 0o644))
		}
		out, err := assignment(t, "client", port(c.addr), filepath.Join(c.dir, "data"), isRandom)
		require.NoError(t, err, out)
		_, err = strconv.ParseFloat(out, 64)
		require.NoError(t, err, "the elapsed seconds as text: %q", out)
		out, err = assignment(t, "client", port(c.addr), "data", isRandom)
		require.NoError(t, err, "a folder relative to the root: %s", out)
	}
	out, err := assignment(t, "client", port(c.addr), "/etc", "true")
	require.Error(t, err)
	require.Contains(t, out, "leads out of the allowed roots", "it is told why")
}

func TestAssignment_PythonServerUsesOurNodes(t *testing.T) {
	needPython(t)
	if !haveOpenCV {
		t.Skip("our nodes do nothing for the assignment's server without OpenCV")
	}
	c := newCluster(t, nil, nodeArgs{"0.6", "--delay", "10ms"}, nodeArgs{"0"})
	in := c.folder("data")
	for i := range 12 {
		require.NoError(t, os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.png", i)), onePixel, 0o644))
	}
	server := freeAddr(t)
	startPython(t, "server", server, port(c.addrs[0]), port(c.addrs[1]))
	for _, isRandom := range []string{"true", "false"} {
		out, err := assignment(t, "client", port(server), filepath.Join(c.dir, "data"), isRandom)
		require.NoError(t, err, out)
		require.Len(t, c.outputs("data"), 12)
		require.NoError(t, os.RemoveAll(filepath.Join(c.dir, "data", "output_dir")))
	}
}

func TestAssignment_OurNodeAnswersAsTheAssignmentSays(t *testing.T) {
	needPython(t)
	c := newCluster(t, nil, nodeArgs{"0", "--admission", "none"}, nodeArgs{"1", "--delay", "0s"})
	in := c.folder("data")
	require.NoError(t, os.WriteFile(filepath.Join(in, "a.png"), onePixel, 0o644))
	base := filepath.Join(c.dir, "data")
	if haveOpenCV {
		for _, mode := range []string{"execute", "delayed_execute"} {
			out, err := assignment(t, "call", port(c.addrs[0]), base, "a.png", mode)
			require.NoError(t, err, out)
			require.Equal(t, "Success", out)
		}
		require.Equal(t, []string{"a.png"}, c.outputs("data"))
		out, err := assignment(t, "call", port(c.addrs[1]), base, "a.png", "delayed_execute")
		require.NoError(t, err, out)
		require.Equal(t, "Success", out, "delayed_execute never rejects")
	}
	out, err := assignment(t, "call", port(c.addrs[1]), base, "a.png", "execute")
	require.NoError(t, err, out)
	require.Equal(t, "Rejected", out)
	out, err = assignment(t, "call", port(c.addrs[0]), base, "../../../etc/passwd", "execute")
	require.Error(t, err)
	require.Contains(t, out, "leads out of the allowed folders")
}

func TestAssignment_OurServerUsesPythonNodes(t *testing.T) {
	needPython(t)
	for _, kind := range []string{"simple", "threaded", "pool"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, 2)
			startPython(t, "node", c.addrs[0], kind)
			startPython(t, "node", c.addrs[1], kind)
			c.startServer()
			eventually(t, "both answer", func() bool { out, _ := c.client("nodes"); return strings.Count(out, "idle") == 2 })
			touch(t, c.folder("data"), 60)
			for _, policy := range []string{"random", "balance"} {
				r, code := c.run("data", "--policy", policy)
				require.Zero(t, code, "%+v", r)
				require.Equal(t, 60, r.Done)
				require.Len(t, c.outputs("data"), 60)
			}
		})
	}
}

func TestAssignment_PythonNodesAndOursShareOneJob(t *testing.T) {
	needPython(t)
	c := prepare(t, 3)
	startPython(t, "node", c.addrs[0], "threaded")
	c.nodes = append(c.nodes, c.startNode(1, "0"), c.startNode(2, "0"))
	c.startServer()
	eventually(t, "all answer", func() bool { out, _ := c.client("nodes"); return strings.Count(out, "idle") == 3 })
	touch(t, c.folder("data"), 60)
	r, code := c.run("data", "--op", "none")
	require.Zero(t, code, "an operation that the Python node cannot do goes to ours: %+v", r.Failures)
	require.Equal(t, 60, r.Done)
}

// onePixel is a whole PNG of one pixel.
var onePixel = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde" +
	"\x00\x00\x00\x0cIDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82")

package test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stamped is the time before every reply of the line protocol.
var stamped = regexp.MustCompile(`^<[A-Z][a-z]{2} \d{2}, \d{4} \d{2}:\d{2}:\d{2} [AP]M> `)

// textNode is a node with a text port, and where it listens.
func textNode(t *testing.T, args ...string) (node *process, addr, text string) {
	t.Helper()
	node = spawn(t, t.TempDir(), "computenode", append([]string{"0", "--listen", "127.0.0.1:0", "--text", "127.0.0.1:0"}, args...)...)
	eventually(t, "the node is ready", func() bool { return strings.Contains(node.out.String(), "answers text on ") })
	said := node.out.String()
	addr = regexp.MustCompile(`ready on (\S+):`).FindStringSubmatch(said)[1]
	return node, addr, regexp.MustCompile(`answers text on (\S+)`).FindStringSubmatch(said)[1]
}

// master is a student's own master.
type master struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

func dialText(t *testing.T, addr string) *master {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	return &master{t, nc, bufio.NewReader(nc)}
}

// ask sends a request, and returns its reply without the time.
func (m *master) ask(request string, data ...byte) string {
	m.t.Helper()
	_, err := m.nc.Write(append([]byte(request+"\n"), data...))
	require.NoError(m.t, err)
	require.NoError(m.t, m.nc.SetReadDeadline(time.Now().Add(patience)))
	line, err := m.in.ReadString('\n')
	require.NoError(m.t, err)
	require.Regexp(m.t, stamped, line)
	return strings.TrimSuffix(stamped.ReplaceAllString(line, ""), "\n")
}

// put sends a file.
func (m *master) put(name string, data []byte) {
	m.t.Helper()
	request := fmt.Sprintf("file %s with length %d", name, len(data))
	require.Equal(m.t, "received "+request, m.ask("put "+request, data...))
}

// get fetches a file.
func (m *master) get(name string) []byte {
	m.t.Helper()
	reply := m.ask("get file " + name)
	size, err := strconv.Atoi(strings.TrimPrefix(reply, "sent file "+name+" with length "))
	require.NoError(m.t, err, reply)
	data := make([]byte, size)
	_, err = io.ReadFull(m.in, data)
	require.NoError(m.t, err)
	return data
}

// testVideo is a video of 20 frames, 10 a second, made by FFmpeg; 48 × 32 pixels.
func testVideo(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil || !haveOpenCV {
		t.Skip("needs FFmpeg, and nodes with OpenCV")
	}
	path := filepath.Join(t.TempDir(), "made.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=48x32:rate=10", "-pix_fmt", "yuv420p", path).CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestText_AMasterDrivesAWholeNode(t *testing.T) {
	node, _, text := textNode(t)
	m := dialText(t, text)
	require.Equal(t, "no job", m.ask("view job"))
	m.put("12.mp4", testVideo(t))
	require.Equal(t, "video metadata for file 12.mp4 framerate 10, duration 2, resolution 48,32", m.ask("get video metadata for file 12.mp4"))
	require.Equal(t, "video extracted for file 12.mp4 with file sequence 12.0.png 12.1.png 12.2.png 12.3.png",
		m.ask("extract video images with framerate 4 duration 1 for file 12.mp4"))
	require.True(t, bytes.HasPrefix(m.get("12.3.png"), []byte("\x89PNG")))
	require.Equal(t, "video created with filename 12-2.mp4",
		m.ask("create video from images with framerate 29.97, duration 0, for file sequence 12.0.png 12.1.png 12.2.png 12.3.png"))
	require.Equal(t, "video metadata for file 12-2.mp4 framerate 29.97, duration 0.133, resolution 48,32", m.ask("get video metadata for file 12-2.mp4"))
	require.Equal(t, "failed to create video", m.ask("create video from images with framerate 1, duration 0, for file sequence 12.0.png 13.0.png"))

	m.put("notes.mp4", []byte("this is no video"))
	require.Equal(t, "unknown video format for file notes.mp4", m.ask("get video metadata for file notes.mp4"))
	require.Equal(t, "extract video failed: unknown video format for file notes.mp4", m.ask("extract video images with framerate 4 duration 1 for file notes.mp4"))
	require.Equal(t, "retrieve file not found for file gone", m.ask("get file gone"))
	require.Equal(t, "deleted file 12.0.png", m.ask("delete 12.0.png"))
	require.Equal(t, "file not found for file 12.0.png", m.ask("delete 12.0.png"))
	require.Contains(t, m.ask("delete ../12.1.png"), "error: file name ../12.1.png: it has a slash")
	require.Equal(t, "temporary directory empty", m.ask("delete all files"))
	require.Equal(t, "no job", m.ask("view job"))

	node.signal(syscall.SIGTERM)
	require.Zero(t, node.wait())
	rest, err := io.ReadAll(m.in)
	require.NoError(t, err)
	require.Empty(t, rest)
}

func TestText_NcDrivesANode(t *testing.T) {
	nc, err := exec.LookPath("nc")
	if err != nil {
		t.Skip("there is no nc here")
	}
	_, _, text := textNode(t)
	host, port, err := net.SplitHostPort(text)
	require.NoError(t, err)
	data := make([]byte, 1<<20)
	_, _ = rand.Read(data)
	requests := fmt.Appendf(nil, "put file a.bin with length %d\n", len(data))
	requests = append(append(requests, data...), "\nget file a.bin\nview job\n"...)
	cmd := exec.Command(nc, "-N", host, port)
	cmd.Stdin = bytes.NewReader(requests)
	out, err := cmd.Output()
	require.NoError(t, err)
	lines := bytes.SplitN(out, []byte("\n"), 3)
	require.Contains(t, string(lines[0]), "> received file a.bin with length 1048576")
	require.Contains(t, string(lines[1]), "> sent file a.bin with length 1048576")
	require.True(t, bytes.Equal(data, lines[2][:len(data)]))
	require.Regexp(t, stamped.String()+"no job\n$", string(lines[2][len(data):]))
}

func TestText_ListensOnThisMachineUnlessTold(t *testing.T) {
	node := spawn(t, t.TempDir(), "computenode", "0", "--listen", "127.0.0.1:0", "--text", "0.0.0.0:0")
	require.Equal(t, 2, node.wait())
	require.Contains(t, node.out.String(), `--text "0.0.0.0:0": other machines could reach it without a login; listen on this machine, as in --text 127.0.0.1:6001, or add --insecure`)
	trusting, _, _ := textNode(t, "--insecure", "--text", "0.0.0.0:0")
	trusting.signal(syscall.SIGTERM)
	require.Zero(t, trusting.wait())
	closed := spawn(t, t.TempDir(), "computenode", "0", "--listen", "127.0.0.1:0")
	eventually(t, "it is ready", func() bool { return strings.Contains(closed.out.String(), "is ready on") })
	require.NotContains(t, closed.out.String(), "answers text")
}

// The client's commands and the line protocol see the same files.
func TestNodeFiles_AWholeNodeKeepsThem(t *testing.T) {
	node, addr, text := textNode(t, "--task-timeout", "20s")
	dir := t.TempDir()
	big := make([]byte, 5<<20+3)
	_, _ = rand.Read(big)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big.bin"), big, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clip.mp4"), testVideo(t), 0o600))
	t.Chdir(dir)
	client := clientOf(t, addr)
	client("put", "big.bin", "clip.mp4")
	m := dialText(t, text)
	require.True(t, bytes.Equal(big, m.get("big.bin")))
	require.Equal(t, "clip.10.png\nclip.11.png\nclip.12.png\n", client("extract", "clip.mp4", "--from", "1s", "--duration", "300ms"))
	require.Equal(t, "all.mp4\n", client("create", "all.mp4", "clip.10.png", "clip.11.png", "clip.12.png", "--rate", "10"))
	require.Contains(t, client("metadata", "all.mp4"), "0.300 s, 3 frames")
	require.Equal(t, "deleted file clip.mp4", m.ask("delete clip.mp4"))
	require.NotContains(t, client("ls"), "clip.mp4")
	client("get", "all.mp4", "back.mp4")
	require.FileExists(t, filepath.Join(dir, "back.mp4"))
	client("delete-all")
	require.Equal(t, "retrieve file not found for file big.bin", m.ask("get file big.bin"))
	node.signal(syscall.SIGTERM)
	require.Zero(t, node.wait())
}

// clientOf runs the client's commands on the files of the node at addr.
func clientOf(t *testing.T, addr string) func(args ...string) string {
	return func(args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "client"), append([]string{"node", addr}, args...)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, errs.String())
		return string(out)
	}
}

// Work that takes too long costs its request, and leaves neither files nor processes.
func TestText_WorkThatTakesTooLongIsStopped(t *testing.T) {
	node, _, text := textNode(t, "--task-timeout", "1ms")
	m := dialText(t, text)
	m.put("12.mp4", testVideo(t))
	require.Equal(t, "extract video failed: it ran longer than 1ms and was stopped; allow it more with --task-timeout, or check the file",
		m.ask("extract video images with framerate 4 duration 1 for file 12.mp4"))
	require.Equal(t, "failed to create video", m.ask("create video from images with framerate 4, duration 1, for file sequence 12.mp4"))
	require.Equal(t, "no job", m.ask("view job"))
	require.Equal(t, "deleted file 12.mp4", m.ask("delete 12.mp4"))
	require.Equal(t, "retrieve file not found for file 12.0.png", m.ask("get file 12.0.png"))
	node.signal(syscall.SIGTERM)
	require.Zero(t, node.wait())
}

//go:build gocv_specific_modules

package test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// picture is a small colourful picture, different for each seed.
func picture(seed int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for y := range 64 {
		for x := range 96 {
			m.Set(x, y, color.RGBA{uint8(x*3 + seed), uint8(y*4 ^ x), uint8(seed * 7), 255})
		}
	}
	return m
}

func pngBytes(t *testing.T, seed int) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, picture(seed)))
	return b.Bytes()
}

func jpegBytes(t *testing.T, seed int) []byte {
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, picture(seed), nil))
	return b.Bytes()
}

// bomb is a PNG that says that it is 30,000 × 30,000.
func bomb(t *testing.T) []byte {
	b := pngBytes(t, 1)
	binary.BigEndian.PutUint32(b[16:], 30000)
	binary.BigEndian.PutUint32(b[20:], 30000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

func TestPictures_BadInputIsNamedAndTheRestIsDone(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"}, nodeArgs{"0"})
	in := c.folder("data")
	secret := filepath.Join(t.TempDir(), "secret.png")
	write(t, secret, pngBytes(t, 5))
	good := []string{"plain.png", "with space.jpg", "ünïcødé 写真.png", "UPPER.JPG", "linked.png"}
	write(t, filepath.Join(in, good[0]), pngBytes(t, 0))
	write(t, filepath.Join(in, good[1]), jpegBytes(t, 1))
	write(t, filepath.Join(in, good[2]), pngBytes(t, 2))
	write(t, filepath.Join(in, good[3]), jpegBytes(t, 3))
	require.NoError(t, os.Symlink("plain.png", filepath.Join(in, good[4])))

	write(t, filepath.Join(in, "empty.jpg"), nil)
	write(t, filepath.Join(in, "text.jpg"), []byte("this is no picture\n"))
	write(t, filepath.Join(in, "half.jpg"), jpegBytes(t, 4)[:600])
	write(t, filepath.Join(in, "bomb.png"), bomb(t))
	require.NoError(t, os.Mkdir(filepath.Join(in, "folder.png"), 0o755))
	require.NoError(t, os.Symlink("nowhere.png", filepath.Join(in, "dangling.png")))
	require.NoError(t, os.Symlink(secret, filepath.Join(in, "absolute.png")))
	require.NoError(t, os.Symlink("../../../"+filepath.Base(filepath.Dir(secret))+"/secret.png", filepath.Join(in, "escape.png")))
	reasons := map[string][2]string{
		"empty.jpg":    {"invalid_argument", "empty"},
		"text.jpg":     {"invalid_argument", "not a JPEG"},
		"half.jpg":     {"data_loss", "cut"},
		"bomb.png":     {"invalid_argument", "30000"},
		"folder.png":   {"invalid_argument", "directory"},
		"dangling.png": {"not_found", "leads nowhere"},
		"absolute.png": {"permission_denied", "leads out"},
		"escape.png":   {"permission_denied", "leads out"},
	}

	r, code := c.run("data")
	require.Equal(t, 1, code)
	require.Equal(t, len(good), r.Done)
	require.Equal(t, len(reasons), r.Failed)
	require.ElementsMatch(t, good, c.outputs("data"), "no temporary file is left, nothing is missing")
	require.Len(t, r.Failures, len(reasons))
	for _, f := range r.Failures {
		require.Equal(t, reasons[f.Name][0], f.Error.Code, "%+v", f)
		require.Contains(t, f.Error.Message, reasons[f.Name][1], "%+v", f)
		require.Contains(t, f.Error.Message, f.Name)
		require.NotEmpty(t, f.Error.Hint, "%+v", f)
		require.Equal(t, 1, f.Attempts, "it is not tried elsewhere: %+v", f)
	}
	for _, n := range c.nodes {
		select {
		case <-n.done:
			require.Fail(t, "a node died", n.out.String())
		default:
		}
	}
	out, code := c.client("data")
	require.Equal(t, 1, code)
	require.Contains(t, out, "failed: 8 of 13")
	require.Contains(t, out, "text.jpg: ")
}

func TestPictures_InputThatBreaksNodesIsQuarantinedAndTheRestIsDone(t *testing.T) {
	for _, op := range []string{"abort", "hang", "eat"} {
		t.Run(op, func(t *testing.T) {
			args := nodeArgs{"0", "--task-timeout", "2s", "--memory", "512MiB"}
			c := newCluster(t, nil, args, args, args, args)
			in := c.folder("data")
			write(t, filepath.Join(in, "a.png"), pngBytes(t, 1))
			r, code := c.run("data", "--op", op)
			require.Equal(t, 1, code)
			require.Equal(t, 1, r.Quarantined, "%+v", r)
			require.Len(t, r.Failures, 1)
			require.Len(t, r.Failures[0].Nodes, 3)
			require.Equal(t, "internal", r.Failures[0].Error.Code)
			require.Empty(t, c.outputs("data"))

			for i := range 20 {
				write(t, filepath.Join(in, string(rune('b'+i))+".png"), pngBytes(t, i))
			}
			r, code = c.run("data")
			require.Zero(t, code, "the nodes go on working: %+v", r.Failures)
			require.Equal(t, 21, r.Done)
		})
	}
}

func TestPictures_FullDiskIsToldAndLosesNothingElse(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	in := c.folder("data")
	out := filepath.Join(c.dir, "data", "output_dir")
	require.NoError(t, os.MkdirAll(out, 0o755))
	if err := unix.Mount("tmpfs", out, "tmpfs", 0, "size=8k"); err != nil {
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(out, unix.MNT_DETACH) })
	write(t, filepath.Join(in, "a.png"), pngBytes(t, 1))
	write(t, filepath.Join(out, "filler"), bytes.Repeat([]byte("x"), 8192))
	r, code := c.run("data")
	require.Equal(t, 1, code)
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Error.Message, "the node's disk is full")
	require.NotEmpty(t, r.Failures[0].Error.Hint)
	require.NoError(t, os.Remove(filepath.Join(out, "filler")))
	r, code = c.run("data", "--op", "resize:scale=0.1")
	require.Zero(t, code, "%+v", r.Failures)
	require.Equal(t, []string{"a.png"}, c.outputs("data"))
}

func TestPictures_OutputFolderThatCannotBeWritten(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	in := c.folder("data")
	write(t, filepath.Join(in, "a.png"), pngBytes(t, 1))
	write(t, filepath.Join(c.dir, "data", "output_dir"), []byte("a file stands where the folder should"))
	r, code := c.run("data")
	require.Equal(t, 1, code)
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Error.Message, "output_dir")
	require.NotEmpty(t, r.Failures[0].Error.Hint)
}

func TestPictures_FileThatVanishesFailsAlone(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"1", "--delay", "2s"})
	in := c.folder("data")
	write(t, filepath.Join(in, "stays.png"), pngBytes(t, 1))
	write(t, filepath.Join(in, "vanishes.png"), pngBytes(t, 2))
	client := spawn(t, c.dir, "client", "--policy", "random", "data")
	eventually(t, "both tasks are on the node", func() bool {
		out, _ := c.client("nodes", "--json")
		return strings.Contains(out, `"outstanding":2`)
	})
	require.NoError(t, os.Remove(filepath.Join(in, "vanishes.png")))
	require.Equal(t, 1, client.wait())
	require.Contains(t, client.out.String(), "vanishes.png: ")
	require.Equal(t, []string{"stays.png"}, c.outputs("data"))
}

func TestPictures_OperationsAndParametersReachTheNodes(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"})
	in := c.folder("data")
	write(t, filepath.Join(in, "a.png"), pngBytes(t, 1))
	_, code := c.run("data", "--op", "resize:width=48")
	require.Zero(t, code)
	f, err := os.Open(filepath.Join(c.dir, "data", "output_dir", "a.png"))
	require.NoError(t, err)
	defer f.Close()
	size, err := png.DecodeConfig(f)
	require.NoError(t, err)
	require.Equal(t, 48, size.Width)
	require.Equal(t, 32, size.Height)
	out, code := c.client("operations")
	require.Zero(t, code)
	for _, op := range []string{"edges", "grayscale", "blur", "resize", "rotate", "threshold", "sharpen", "denoise", "none"} {
		require.Contains(t, out, op+": ")
	}
}

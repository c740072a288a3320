package split_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"

	"spillway/server/split"
)

func TestCarrier_PixelsAreThoseOfTheHeader(t *testing.T) {
	root, roots := tree(t, "d/input_dir/empty.png", "d/input_dir/folder.png/")
	in := filepath.Join(root, "d/input_dir")
	picture := image.NewGray(image.Rect(0, 0, 30, 20))
	var pngs, jpegs, bmps bytes.Buffer
	require.NoError(t, png.Encode(&pngs, picture))
	require.NoError(t, jpeg.Encode(&jpegs, picture, nil))
	require.NoError(t, bmp.Encode(&bmps, picture))
	for name, data := range map[string][]byte{
		"a.png": pngs.Bytes(), "b.jpg": jpegs.Bytes(), "c.bmp": bmps.Bytes(), "other-name.jpg": pngs.Bytes(),
		"cut.png": pngs.Bytes()[:12], "rubbish.jpg": []byte("rubbish"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(in, name), data, 0o644))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(in, "pipe.png"), 0o644))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(in, "outside.png")))
	c, err := split.Carry(roots, filepath.Join(root, "d"), "job-1")
	require.NoError(t, err)
	defer c.Close()
	for name, want := range map[string]int64{
		"a.png": 600, "b.jpg": 600, "c.bmp": 600, "other-name.jpg": 600, "cut.png": 48, "rubbish.jpg": 28,
		"empty.png": 0, "folder.png": 0, "pipe.png": 0, "outside.png": 0, "none.png": 0,
	} {
		require.Equal(t, want, c.Pixels(name), name)
	}
}

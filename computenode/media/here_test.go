//go:build gocv_specific_modules && gocv_photo

package media

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/computenode/operation"
	"spillway/confine"
	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/opencv"
)

// made is a file that FFmpeg makes of its own sources.
func made(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error"}, args...), path)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// clip is two seconds of video with sound: 60 frames of 29.97 a second.
func clip(t *testing.T) string {
	t.Helper()
	return made(t, "clip.mp4", "-f", "lavfi", "-i", "testsrc=duration=2.002:size=64x48:rate=30000/1001", "-f", "lavfi", "-i", "sine=duration=2", "-pix_fmt", "yuv420p")
}

// newHere is what does the work, with faces.
func newHere(t *testing.T) Here {
	t.Helper()
	roots, err := confine.NewRoots(t.TempDir())
	require.NoError(t, err)
	exec := operation.NewExecutor(roots)
	t.Cleanup(func() {
		require.NoError(t, exec.Close())
		require.Zero(t, opencv.Live()+dlib.Live(), "native handles that were not closed")
	})
	return Here{Faces: exec}
}

func TestHere_MetadataIsExact(t *testing.T) {
	v, err := newHere(t).Metadata(t.Context(), clip(t))
	require.NoError(t, err)
	require.Equal(t, job.Rate{Num: 30000, Den: 1001}, v.Rate)
	require.Equal(t, int64(60), v.Frames)
	require.Equal(t, "h264", v.Codec)
	require.Equal(t, []int{64, 48}, []int{v.Width, v.Height})
	require.InDelta(t, 2.002, v.Duration.Seconds(), 0.001)
	require.True(t, v.Audio)
}

func TestHere_ExtractsAsManyPicturesAsItIsAskedFor(t *testing.T) {
	path := clip(t)
	h := newHere(t)
	for _, row := range []struct {
		ask  job.Extraction
		want int
	}{
		{job.Extraction{}, 60},
		{job.Extraction{Rate: job.Rate{Num: 5, Den: 1}}, 11},
		{job.Extraction{Rate: job.Rate{Num: 5, Den: 1}, Duration: time.Second}, 5},
		{job.Extraction{Rate: job.Rate{Num: 5, Den: 1}, From: time.Second, Duration: time.Second}, 5},
		{job.Extraction{From: time.Hour}, 0},
	} {
		dir := t.TempDir()
		n, err := h.Extract(t.Context(), path, dir, row.ask)
		require.NoError(t, err)
		require.Equal(t, row.want, n, "%+v", row.ask)
		for i := range n {
			im, err := operation.Picture(filepath.Join(dir, fmt.Sprintf("%d.png", i)))
			require.NoError(t, err)
			require.Equal(t, 64, im.Width())
			require.NoError(t, im.Close())
		}
	}
	_, err := h.Extract(t.Context(), path, t.TempDir(), job.Extraction{Rate: job.Rate{Num: 100_000, Den: 1}})
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
}

func TestHere_CreatesTheVideoOfItsPictures(t *testing.T) {
	path, dir := clip(t), t.TempDir()
	h := newHere(t)
	n, err := h.Extract(t.Context(), path, dir, job.Extraction{})
	require.NoError(t, err)
	var names []string
	for i := range n {
		names = append(names, filepath.Join(dir, fmt.Sprintf("%d.png", i)))
	}
	out := filepath.Join(dir, "out.mp4")
	require.NoError(t, h.Create(t.Context(), job.Creation{Names: names, Rate: job.Rate{Num: 30000, Den: 1001}, Audio: path}, out))
	v, err := h.Metadata(t.Context(), out)
	require.NoError(t, err)
	require.Equal(t, int64(60), v.Frames)
	require.Equal(t, job.Rate{Num: 30000, Den: 1001}, v.Rate)
	require.True(t, v.Audio)
	require.NoFileExists(t, out+".silent")
	require.NoError(t, h.Create(t.Context(), job.Creation{Names: names, Rate: job.Rate{Num: 10, Den: 1}, Duration: 1500 * time.Millisecond}, out))
	v, err = h.Metadata(t.Context(), out)
	require.NoError(t, err)
	require.Equal(t, int64(15), v.Frames)
	require.False(t, v.Audio)

	odd := made(t, "odd.png", "-f", "lavfi", "-i", "testsrc=size=33x17:rate=1", "-frames:v", "1")
	require.NoError(t, h.Create(t.Context(), job.Creation{Names: []string{odd, odd}, Rate: job.Rate{Num: 25, Den: 1}}, out), "odd sides")
	err = h.Create(t.Context(), job.Creation{Names: []string{names[0], odd}, Rate: job.Rate{Num: 25, Den: 1}}, out)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.ErrorContains(t, err, "odd.png: it has 33 × 17 pixels, and the first picture 64 × 48")
	err = h.Create(t.Context(), job.Creation{Names: names[:2], Rate: job.Rate{Num: 25, Den: 1}, Audio: odd}, out)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func TestHere_BadFilesAreNamed(t *testing.T) {
	h := newHere(t)
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
		return path
	}
	whole, err := os.ReadFile(clip(t))
	require.NoError(t, err)
	concat := write("list.mp4", "ffconcat version 1.0\nfile /etc/passwd\n")
	for name, path := range map[string]string{
		"empty": write("empty.mp4", ""), "text": write("text.mp4", "text"), "disguised list": concat,
		"cut off":    write("cut.mp4", string(whole[:len(whole)/3])),
		"sound only": made(t, "song.m4a", "-f", "lavfi", "-i", "sine=duration=1"),
	} {
		_, err := h.Metadata(t.Context(), path)
		require.Contains(t, []job.Code{job.InvalidArgument, job.DataLoss}, job.CodeOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, filepath.Base(path))
		require.NotContains(t, err.Error(), dir)
		_, err = h.Extract(t.Context(), path, t.TempDir(), job.Extraction{})
		require.Contains(t, []job.Code{job.InvalidArgument, job.DataLoss}, job.CodeOf(err), "%s: %v", name, err)
		_, err = h.DetectFace(t.Context(), path)
		require.Contains(t, []job.Code{job.InvalidArgument, job.DataLoss}, job.CodeOf(err), "%s: %v", name, err)
		err = h.DrawMesh(t.Context(), path, filepath.Join(dir, "mesh.png"), nil)
		require.Contains(t, []job.Code{job.InvalidArgument, job.DataLoss}, job.CodeOf(err), "%s: %v", name, err)
	}
	_, err = h.Metadata(t.Context(), filepath.Join(dir, "gone"))
	require.Equal(t, job.NotFound, job.CodeOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Metadata(ctx, clip(t))
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestHere_AFullDiskIsTold(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	h := newHere(t)
	_, err := h.Extract(t.Context(), clip(t), disk, job.Extraction{})
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "the node's disk is full")
}

func TestHere_ABuildWithoutFacesSaysSo(t *testing.T) {
	picture := made(t, "p.png", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=1", "-frames:v", "1")
	_, err := (Here{}).DetectFace(t.Context(), picture)
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
	points, err := newHere(t).DetectFace(t.Context(), picture)
	if dlib.Available {
		require.NoError(t, err)
		require.Empty(t, points)
		return
	}
	require.Equal(t, job.Unimplemented, job.CodeOf(err))
}

func TestHere_TheMeshOfAFaceIsDrawn(t *testing.T) {
	h := newHere(t)
	picture := made(t, "p.png", "-f", "lavfi", "-i", "color=black:size=200x200:rate=1", "-frames:v", "1")
	face := make([]job.Point, job.FacePoints)
	for i := range face {
		face[i] = job.Point{X: float64(20 + 37*i%160), Y: float64(20 + 53*i%160)}
	}
	for _, ext := range []string{".png", ".jpg"} {
		out := filepath.Join(t.TempDir(), "mesh"+ext)
		require.NoError(t, h.DrawMesh(t.Context(), picture, out, face))
		im, err := operation.Picture(out)
		require.NoError(t, err)
		var green int
		for i := 1; i < len(im.Pixels()); i += 3 {
			if im.Pixels()[i] > 128 {
				green++
			}
		}
		require.Greater(t, green, 1000)
		require.NoError(t, im.Close())
	}
	face[3].X = 1e9
	err := h.DrawMesh(t.Context(), picture, filepath.Join(t.TempDir(), "m.png"), face)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	face[3].X = -1000
	require.NoError(t, h.DrawMesh(t.Context(), picture, filepath.Join(t.TempDir(), "m.png"), face), "a face may reach over the border")
	err = h.DrawMesh(t.Context(), picture, filepath.Join(t.TempDir(), "m.xyz"), face)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.NotContains(t, err.Error(), "/tmp")
}

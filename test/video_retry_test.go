//go:build gocv_specific_modules

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// badDecoder puts an FFmpeg into the path that kills whoever decodes the first part of a
// video, for as long as the file whose name it returns is there.
func badDecoder(t *testing.T) (sick string) {
	t.Helper()
	dir := t.TempDir()
	whole, err := exec.LookPath("ffmpeg")
	require.NoError(t, err)
	sick = filepath.Join(dir, "sick")
	script := fmt.Sprintf(`#!/bin/sh
if [ -e %s ]; then case "$*" in *"-ss 0.000000 "*) kill -SEGV $PPID ;; esac; fi
exec %s "$@"
`, sick, whole)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte(script), 0o755))
	write(t, sick, nil)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return sick
}

func TestVideo_RetryDoesWhatWasNotJoinedAndItsResultIsRight(t *testing.T) {
	needFFmpeg(t)
	want := oneNode(t, "clip.mp4", numbered+x264+" -g 50")
	sick := badDecoder(t)
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"}, nodeArgs{"0"})
	in := c.folder("data")
	clip(t, filepath.Join(in, "clip.mp4"), numbered+x264+" -g 50")
	write(t, filepath.Join(in, "text.mp4"), []byte("words"))
	r, code := c.run("data", "--op", "video:edges", "--policy", "balance")
	require.Equal(t, 1, code)
	require.Equal(t, 1, r.Quarantined, "%+v", r)
	require.Equal(t, 1, r.Failed)
	require.Positive(t, r.Done, "the other parts")
	require.Empty(t, c.outputs("data"), "and nothing that lacks a part")

	require.NoError(t, os.Remove(sick))
	clip(t, filepath.Join(in, "text.mp4"), "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -c:v libx264 -pix_fmt yuv420p")
	out, code := c.client("retry", r.ID)
	require.Zero(t, code, out)
	require.Regexp(t, `(?m)^joined clip\.mp4 in \d+\.\d+s$`, out)
	require.ElementsMatch(t, []string{"clip.mp4", "text.mp4"}, c.outputs("data"), "a file that was no video is one now, too")
	require.Equal(t, want, frameSums(t, filepath.Join(c.dir, "data", "output_dir", "clip.mp4")))

	out, code = c.client("job", r.ID)
	require.Zero(t, code, out)
	require.Regexp(t, `(?m)^clip\.mp4 +\d +\d+\.\d{3} +\d+\.\d{3} `, out, "how long it took to split and join")
	times := regexp.MustCompile(`(?m)^\d+ .+ done +node_\d +\d+ +\d`)
	require.Len(t, times.FindAllString(out, -1), r.Total, "each task with its times: %s", out)
	out, code = c.client("retry", r.ID)
	require.Equal(t, 2, code)
	require.Contains(t, out, "all its tasks are done")
}

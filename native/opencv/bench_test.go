//go:build gocv_specific_modules && gocv_photo

package opencv

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// photo is a JPEG of w × h with gradients and noise.
func photo(tb testing.TB, w, h int) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := rng.IntN(12)
			img.SetRGBA(x, y, color.RGBA{uint8(x/9 + n), uint8(y/7 + n), uint8((x+y)/11 + n), 255})
		}
	}
	var b bytes.Buffer
	require.NoError(tb, jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}))
	return b.Bytes()
}

// BenchmarkPlainLoop is what the operation edges is held against.
func BenchmarkPlainLoop(b *testing.B) {
	for name, side := range map[string]image.Point{"0.5MP": {816, 612}, "12MP": {4000, 3000}} {
		b.Run(name, func(b *testing.B) {
			SetThreads(1)
			dir := b.TempDir()
			in, out := filepath.Join(dir, "in.jpg"), filepath.Join(dir, "out.jpg")
			require.NoError(b, os.WriteFile(in, photo(b, side.X, side.Y), 0o644))
			before := cpu(b)
			for b.Loop() {
				require.NoError(b, PlainEdges(in, out))
			}
			b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is the processor time that this process has used: a better measure than
// the clock on a machine that does other things too.
func cpu(b *testing.B) time.Duration {
	var use syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

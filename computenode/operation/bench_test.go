//go:build gocv_specific_modules && gocv_photo

package operation

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

	"spillway/confine"
	"spillway/job"
	"spillway/native/opencv"
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

// BenchmarkExecute is the whole way of one request, from file to committed
// file; BenchmarkPlainLoop of package opencv is what edges is held against.
func BenchmarkExecute(b *testing.B) {
	opencv.SetThreads(1)
	root := b.TempDir()
	base := filepath.Join(root, "data")
	require.NoError(b, os.MkdirAll(filepath.Join(base, job.InputDir), 0o755))
	for name, side := range map[string]image.Point{"0.5MP.jpg": {816, 612}, "12MP.jpg": {4000, 3000}} {
		require.NoError(b, os.WriteFile(filepath.Join(base, job.InputDir, name), photo(b, side.X, side.Y), 0o644))
	}
	roots, err := confine.NewRoots(root)
	require.NoError(b, err)
	e := NewExecutor(roots)
	for _, row := range []struct{ operation, file string }{{"edges", "0.5MP.jpg"}, {"edges", "12MP.jpg"}, {"none", "0.5MP.jpg"}, {"denoise", "0.5MP.jpg"}} {
		b.Run(row.operation+"/"+row.file, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				reply, err := e.Execute(b.Context(), Request{Base: base, Name: row.file, Operation: job.Operation{Name: row.operation}})
				require.NoError(b, err)
				require.NoError(b, Commit(roots, base, reply.Outputs))
			}
			b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkMeasure is the look at the bytes before OpenCV gets them.
func BenchmarkMeasure(b *testing.B) {
	data := photo(b, 4000, 3000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := measure(data)
		require.NoError(b, err)
	}
}

// cpu is the processor time that this process has used: a better measure than
// the clock on a machine that does other things too.
func cpu(b *testing.B) time.Duration {
	var use syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

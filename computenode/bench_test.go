package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/opencv"
)

// BenchmarkNode_PoolAgainstInline reports the images a second of a node with
// child processes as a ratio to those of one without: the median of interleaved
// rounds, so that other work on the machine counts little. Pictures have half a
// megapixel, the operation is the default.
func BenchmarkNode_PoolAgainstInline(b *testing.B) {
	if opencv.Version() == "" {
		b.Skip("this build has no OpenCV; set the tags that the Makefile sets")
	}
	base := b.TempDir()
	const files = 24
	writePictures(b, base, files)
	pool, inline := startNode(b, base, "on"), startNode(b, base, "off")
	batch(b, pool, base, files) // children start, caches fill
	batch(b, inline, base, files)
	var ratios []float64
	for b.Loop() {
		inPool := batch(b, pool, base, files)
		inProcess := batch(b, inline, base, files)
		ratios = append(ratios, inProcess.Seconds()/inPool.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "median-ratio")
}

// startNode runs a node without a listener until the test ends.
func startNode(tb testing.TB, base, isolate string, more ...string) *node {
	tb.Helper()
	args := append([]string{"0", "--listen", "127.0.0.1:0", "--root", base, "--isolate", isolate}, more...)
	cfg, err := parse(args)
	require.NoError(tb, err)
	n, err := newNode(cfg, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	tb.Cleanup(func() { n.close(slog.New(slog.DiscardHandler)) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- n.serve(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	tb.Cleanup(func() {
		cancel()
		require.NoError(tb, <-ended)
	})
	return n
}

// batch is the time of one task for each file, with twice as many callers as slots.
func batch(tb testing.TB, n *node, base string, files int) time.Duration {
	tasks := make(chan int, files)
	for i := range files {
		tasks <- i
	}
	close(tasks)
	start := time.Now()
	var wg sync.WaitGroup
	for range 2 * n.worker.Profile().Slots {
		wg.Go(func() {
			for i := range tasks {
				t := job.Task{Base: base, Name: fmt.Sprintf("%d.jpg", i), Operation: job.Operation{Name: job.DefaultOperation}}
				if _, err := n.worker.Execute(context.Background(), t); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// writePictures makes so many JPEG files of 816 × 612 pixels, unlike each other.
func writePictures(tb testing.TB, base string, files int) {
	tb.Helper()
	require.NoError(tb, os.Mkdir(filepath.Join(base, job.InputDir), 0o755))
	for i := range files {
		picture := image.NewRGBA(image.Rect(0, 0, 816, 612))
		for y := range 612 {
			for x := range 816 {
				wave := math.Sin(float64(x*(i+3))/90) * math.Cos(float64(y*(i+5))/70)
				grain := float64((x*7919+y*104729)%31) - 15
				shade := uint8(128 + 90*wave + grain)
				picture.SetRGBA(x, y, color.RGBA{R: shade, G: shade/2 + uint8(x/8), B: 255 - shade, A: 255})
			}
		}
		var file bytes.Buffer
		require.NoError(tb, jpeg.Encode(&file, picture, &jpeg.Options{Quality: 90}))
		require.NoError(tb, os.WriteFile(filepath.Join(base, job.InputDir, fmt.Sprintf("%d.jpg", i)), file.Bytes(), 0o600))
	}
}

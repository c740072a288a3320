package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/bench/load"
	"spillway/job"
	"spillway/native/opencv"
)

// plain is what the programs are measured against: one process that draws the
// edges of every file of a folder, on all cores, and prints how long the loop took.
func plain(ctx context.Context, in, out string, stdout io.Writer) error {
	opencv.SetThreads(1)
	start := time.Now()
	entries, err := os.ReadDir(in)
	if err != nil {
		return job.E(job.InvalidArgument, "plain", err, "name a folder of pictures")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return unwritable(out, err)
	}
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for _, e := range entries {
		if working.Err() != nil {
			break
		}
		workers.Go(func() error {
			return opencv.PlainEdges(filepath.Join(in, e.Name()), filepath.Join(out, e.Name()))
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(load.Plain{Images: len(entries), Seconds: time.Since(start).Seconds()})
}

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/computenode/operation"
	"spillway/job"
)

// facesOperation is what both programs do.
const facesOperation = "face_landmarks:upsample=1"

// MeasureFaces runs face_landmarks through client, server and one node with a slot a
// core, beside a plain C++ loop with a thread a core, plain-faces in c.Bin, on at least so
// many copies of the photographs of a folder that show a face. Both must find as many
// faces. The plain loop is timed without its start and the loading of its model, and our
// node has both behind it; the CPU time of the plain loop has them within.
// Errors: NotFound (programs), InvalidArgument (photographs); plain.
func MeasureFaces(ctx context.Context, c Contest, photos string, pictures int) ([]Turn, error) {
	lab, err := NewLab(c.Bin)
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	base, copies, err := lab.facePhotos(ctx, photos, pictures)
	if err != nil {
		return nil, err
	}
	pool, err := lab.Start(ctx, Pool{Loads: []float64{0}})
	if err != nil {
		return nil, err
	}
	defer pool.Stop()
	plain := func(ctx context.Context) (float64, Took, error) {
		return lab.plainFaces(ctx, filepath.Join(base, job.InputDir), copies)
	}
	ours := func(ctx context.Context) (float64, Took, error) { return pool.faces(ctx, base, copies) }
	return c.run(ctx, fmt.Sprintf("faces on %d pictures", copies), ours, plain)
}

// facePhotos makes a folder with copies of the photographs that show a face.
func (l *Lab) facePhotos(ctx context.Context, photos string, least int) (base string, pictures int, err error) {
	out, _, err := l.faceLoop(ctx, photos, "--points")
	if err != nil {
		return "", 0, err
	}
	var shown []string
	for line := range strings.Lines(string(out)) {
		at := strings.Fields(line)
		// The name, which may hold spaces, is before four sides, a score and the points.
		if before := len(at) - 2*68 - 5; before > 0 {
			shown = append(shown, strings.Join(at[:before], " "))
		}
	}
	if shown = slices.Compact(shown); len(shown) == 0 {
		return "", 0, job.E(job.InvalidArgument, "--photos "+photos, errors.New("no photograph shows a face"), "name a folder with faces, or run make bench-media, which fetches some")
	}
	base, inputs, err := l.folder("faces")
	for n := 0; err == nil && n < least; n += len(shown) {
		for _, name := range shown {
			var data []byte
			if data, err = os.ReadFile(filepath.Join(photos, name)); err != nil {
				break
			}
			if err = os.WriteFile(filepath.Join(inputs, fmt.Sprintf("%04d_%s", pictures, name)), data, 0o644); err != nil {
				break
			}
			pictures++
		}
	}
	return base, pictures, err
}

// faceLoop runs the plain loop on a folder, and returns what it printed.
func (l *Lab) faceLoop(ctx context.Context, folder string, more ...string) ([]byte, Took, error) {
	model := filepath.Join(operation.DefaultModels, "shape_predictor_68_face_landmarks.dat")
	args := append(more, "--upsample", "1", "--threads", strconv.Itoa(runtime.NumCPU()), model, folder)
	return runPlain(ctx, nil, filepath.Join(l.bin, "plain-faces"), args...)
}

// plainFaces is the turn of the plain loop.
func (l *Lab) plainFaces(ctx context.Context, folder string, pictures int) (faces float64, took Took, err error) {
	out, took, err := l.faceLoop(ctx, folder)
	if err != nil {
		return 0, took, err
	}
	var told struct {
		Pictures, Faces int
		Seconds         float64
	}
	if err := json.Unmarshal(out, &told); err != nil || told.Pictures != pictures {
		return 0, took, errors.Join(fmt.Errorf("the plain loop did %d of %d pictures", told.Pictures, pictures), err)
	}
	took.Time = time.Duration(told.Seconds * float64(time.Second))
	return float64(told.Faces), took, nil
}

// faces is the turn of the cluster.
func (c *Cluster) faces(ctx context.Context, base string, pictures int) (faces float64, took Took, err error) {
	if err := ClearOutputs(base); err != nil {
		return 0, took, err
	}
	took, err = c.timed(func() (time.Duration, error) {
		did, err := c.client(ctx, base, pictures, "--op", facesOperation)
		return did.cpu, err
	})
	if err != nil {
		return 0, took, err
	}
	files, err := filepath.Glob(filepath.Join(base, job.OutputDir, "*.json"))
	if err != nil {
		return 0, took, err
	}
	for _, file := range files {
		var found operation.Faces
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		if err != nil {
			return 0, took, err
		}
		faces += float64(len(found.Faces))
	}
	return faces, took, nil
}

package load

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/computenode/operation"
	"spillway/job"
)

// FacesConfig says how faces are measured.
type FacesConfig struct {
	// Bin holds our programs, and plain-faces, the plain loop in C++.
	Bin string
	// Photos is a folder of photographs; those without a face are left out.
	Photos string
	// Pictures is how many copies of them are worked on, at least. Pairs is how often
	// both programs take turns.
	Pictures, Pairs int
	// Say takes lines for people.
	Say func(format string, args ...any)
}

// FacesTurn is one turn of both programs on the same pictures.
type FacesTurn struct {
	Faces    int
	Pictures int
	// Plain and Ours are how long each took, and PlainCPU and OursCPU the CPU time in
	// it, of client, server, node and its children for ours. The plain loop is timed
	// without its start and the loading of its model, and our node has both behind it;
	// the CPU time of the plain loop has them within.
	Plain, Ours, PlainCPU, OursCPU time.Duration
}

// Ratio is our speed over that of the plain loop.
func (t FacesTurn) Ratio() float64 { return t.Plain.Seconds() / t.Ours.Seconds() }

// MedianRatio is that of the turn in the middle.
func MedianRatio(turns []FacesTurn) float64 {
	sorted := slices.SortedFunc(slices.Values(turns), func(a, b FacesTurn) int { return cmp.Compare(a.Ratio(), b.Ratio()) })
	low, high := sorted[(len(sorted)-1)/2].Ratio(), sorted[len(sorted)/2].Ratio()
	return (low + high) / 2
}

// facesOperation is what both programs do.
const facesOperation = "face_landmarks:upsample=1"

// MeasureFaces runs face_landmarks through client, server and one node with a slot a
// core, beside a plain C++ loop with a thread a core, in turns, on the same pictures.
// A turn before the first is for the caches and the models, and not told. It checks
// that both find as many faces.
// Errors: NotFound (programs), InvalidArgument (photographs); plain.
func MeasureFaces(ctx context.Context, cfg FacesConfig) ([]FacesTurn, error) {
	lab, err := NewLab(cfg.Bin)
	if err != nil {
		return nil, err
	}
	defer lab.Close()
	base, pictures, err := lab.facePhotos(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c, err := lab.Start(ctx, Pool{Loads: []float64{0}})
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	var turns []FacesTurn
	for pair := range cfg.Pairs + 1 {
		turn := FacesTurn{Pictures: pictures}
		if err := turn.plain(ctx, cfg.Bin, base); err != nil {
			return nil, err
		}
		if err := turn.ours(ctx, c, base); err != nil {
			return nil, err
		}
		if pair == 0 {
			continue
		}
		cfg.Say("  turn %d of %d: %d faces on %d pictures; plain C++ %.2f s, spillway %.2f s, ratio %.3f (CPU %.2f s and %.2f s)", pair, cfg.Pairs,
			turn.Faces, pictures, turn.Plain.Seconds(), turn.Ours.Seconds(), turn.Ratio(), turn.PlainCPU.Seconds(), turn.OursCPU.Seconds())
		turns = append(turns, turn)
	}
	return turns, nil
}

// facePhotos makes a folder with copies of the photographs that show a face.
func (l *Lab) facePhotos(ctx context.Context, cfg FacesConfig) (base string, pictures int, err error) {
	out, _, err := plainFaces(ctx, cfg.Bin, cfg.Photos, "--points")
	if err != nil {
		return "", 0, err
	}
	var shown []string
	for line := range strings.Lines(out) {
		at := strings.Fields(line)
		// The name, which may hold spaces, is before four sides, a score and the points.
		if before := len(at) - 2*68 - 5; before > 0 {
			shown = append(shown, strings.Join(at[:before], " "))
		}
	}
	if shown = slices.Compact(shown); len(shown) == 0 {
		return "", 0, job.E(job.InvalidArgument, "--photos "+cfg.Photos, errors.New("no photograph shows a face"), "name a folder with faces, or run make bench-media, which fetches some")
	}
	base, inputs, err := l.folder("faces")
	for n := 0; err == nil && n < cfg.Pictures; n += len(shown) {
		for _, name := range shown {
			var data []byte
			if data, err = os.ReadFile(filepath.Join(cfg.Photos, name)); err != nil {
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

// plainFaces runs the plain loop on a folder, and returns what it printed.
func plainFaces(ctx context.Context, bin, folder string, more ...string) (out string, cpu time.Duration, err error) {
	model := filepath.Join(operation.DefaultModels, "shape_predictor_68_face_landmarks.dat")
	args := append(more, "--upsample", "1", "--threads", strconv.Itoa(runtime.NumCPU()), model, folder)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "plain-faces"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	printed, err := cmd.Output()
	if cmd.ProcessState == nil {
		return "", 0, missing(cmd.Path, err)
	}
	if err != nil {
		return "", 0, fmt.Errorf("the plain loop: %w: %.500s", err, stderr.String())
	}
	return string(printed), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// plain is the turn of the plain loop.
func (t *FacesTurn) plain(ctx context.Context, bin, base string) error {
	out, cpu, err := plainFaces(ctx, bin, filepath.Join(base, job.InputDir))
	if err != nil {
		return err
	}
	var told struct {
		Pictures, Faces int
		Seconds         float64
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || told.Pictures != t.Pictures {
		return errors.Join(fmt.Errorf("the plain loop did %d of %d pictures", told.Pictures, t.Pictures), err)
	}
	t.Faces, t.PlainCPU = told.Faces, cpu
	t.Plain = time.Duration(told.Seconds * float64(time.Second))
	return nil
}

// ours is the turn of the cluster.
func (t *FacesTurn) ours(ctx context.Context, c *Cluster, base string) error {
	output := filepath.Join(base, job.OutputDir)
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	before := sum(c.cpu())
	did, err := c.client(ctx, base, t.Pictures, "--op", facesOperation)
	if err != nil {
		return err
	}
	t.Ours, t.OursCPU = did.took, sum(c.cpu())-before+did.cpu
	files, err := filepath.Glob(filepath.Join(output, "*.json"))
	if err != nil {
		return err
	}
	faces := 0
	for _, file := range files {
		var found operation.Faces
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		if err != nil {
			return err
		}
		faces += len(found.Faces)
	}
	if faces != t.Faces {
		return fmt.Errorf("spillway found %d faces, the plain loop %d", faces, t.Faces)
	}
	return nil
}

// sum is the CPU time of all parts.
func sum(parts map[string]time.Duration) (all time.Duration) {
	for _, part := range parts {
		all += part
	}
	return all
}

package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/bench/report"
	"spillway/job"
	"spillway/native/opencv"
)

// machine records where and when all this is measured.
func (b *bench) machine() error {
	return b.Record(report.Result{
		Name: report.Machine, Seed: b.Seed, Command: b.Command,
		Params: map[string]string{
			"cores": strconv.Itoa(runtime.NumCPU()), "cpu": cpuModel(), "go": runtime.Version(), "opencv": opencv.Version(),
			"os": runtime.GOOS + "/" + runtime.GOARCH, "date": time.Now().UTC().Format("2006-01-02 15:04 MST"), "load": loadAverage(),
		},
	})
}

// photographs copies the photographs into a new folder again and again, under
// other names, until there are enough to be steady. It returns their number.
func (b *bench) photographs(name string) (base string, n int, err error) {
	found, err := b.findPhotos()
	if err != nil {
		return "", 0, err
	}
	base, inputs, err := b.lab.folder(name)
	if err != nil {
		return "", 0, err
	}
	for round := 0; n < b.plan.images; round++ {
		for _, photo := range found {
			data, err := os.ReadFile(photo)
			if err != nil {
				return "", 0, err
			}
			copied := filepath.Join(inputs, fmt.Sprintf("%03d_%s", round, filepath.Base(photo)))
			if err := os.WriteFile(copied, data, 0o644); err != nil {
				return "", 0, err
			}
			n++
		}
	}
	b.say("  %d photographs, each %d times, in %s", len(found), n/len(found), b.lab.dir)
	return base, n, nil
}

// findPhotos lists the JPEG and PNG files of the folder of photographs.
func (b *bench) findPhotos() ([]string, error) {
	entries, err := os.ReadDir(b.Photos)
	if err != nil {
		return nil, job.E(job.InvalidArgument, "--photos "+b.Photos, errors.New("it cannot be read"), "name a folder of photographs, or run make bench, which fetches some")
	}
	var found []string
	for _, e := range entries {
		if e.Type().IsRegular() && slices.Contains([]string{".jpg", ".jpeg", ".png"}, strings.ToLower(filepath.Ext(e.Name()))) {
			found = append(found, filepath.Join(b.Photos, e.Name()))
		}
	}
	if len(found) == 0 {
		return nil, job.E(job.InvalidArgument, "--photos "+b.Photos, errors.New("it holds no .jpg and no .png"), "name a folder of photographs, or run make bench, which fetches some")
	}
	return found, nil
}

// identical counts the files of a folder that are the same in another.
func identical(folder, other string) (same, all int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		one, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return 0, 0, err
		}
		two, err := os.ReadFile(filepath.Join(other, e.Name()))
		if err == nil && bytes.Equal(one, two) {
			same++
		}
	}
	return same, len(entries), nil
}

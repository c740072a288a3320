package operation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"spillway/job"
	"spillway/native/goface"
)

// identity is what face_identity loads from a node's model files: at its first use, once,
// and kept until close. It may be used concurrently.
type identity struct {
	dir string // looked at before DefaultModels; empty: none

	mu         sync.Mutex // held while the recognizer is at work: it does one thing at a time anyway
	recognizer recognizer // nil until it is needed
	known      knownCache
}

// recognizer is goface's.
type recognizer interface {
	Recognize(picture []byte) ([]goface.Face, error)
	Close() error
}

var _ recognizer = (*goface.Recognizer)(nil)

// lend gives the recognizer to use, for the time of the call. Errors: *job.Error, those of
// goface, and what use returns.
func (i *identity) lend(use func(recognizer, *knownCache) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.recognizer == nil {
		dir, err := i.find()
		if err != nil {
			return err
		}
		opened, err := goface.Open(dir)
		if err != nil {
			return badIdentity(dir, err)
		}
		i.recognizer = opened
	}
	return use(i.recognizer, &i.known)
}

// modelsOf says where the files are to be had.
const modelsOf = "they are dlib's (the project dlib-models of its author, davisking): unpack them into one folder, and name it with --models"

// badFiles mends files that are there and of no use.
const badFiles = "unpack the models again: " + modelsOf

// find returns the folder that has all model files. Errors: *job.Error with Unimplemented,
// for another node may have them; goface.ErrUnavailable.
func (i *identity) find() (string, error) {
	if !goface.Available {
		return "", goface.ErrUnavailable // before anybody is sent after files
	}
	places := []string{DefaultModels}
	if i.dir != "" {
		places = []string{i.dir, DefaultModels}
	}
	var lacks []string
	for _, dir := range places {
		missing, err := absent(dir)
		if err != nil {
			return "", job.E(job.Unimplemented, "look for models in "+job.Shown(dir), err, "let the user that runs the node read them")
		}
		if len(missing) == 0 {
			return dir, nil
		}
		lacks = append(lacks, fmt.Sprintf("%s has no %s", job.Shown(dir), strings.Join(missing, ", no ")))
	}
	return "", job.E(job.Unimplemented, "load models", errors.New(strings.Join(lacks, "; ")), modelsOf)
}

// absent names the model files that a folder lacks.
func absent(dir string) (missing []string, err error) {
	for _, name := range goface.Files() {
		info, err := os.Stat(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// badIdentity is for files that are there and of no use. Errors that tell of something
// else stay what they are.
func badIdentity(dir string, err error) error {
	if errors.Is(err, goface.ErrModel) {
		return job.E(job.Unimplemented, "load models from "+job.Shown(dir), err, badFiles)
	}
	return err
}

func (i *identity) close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.recognizer == nil {
		return nil
	}
	err := i.recognizer.Close()
	i.recognizer, i.known = nil, knownCache{}
	return err
}

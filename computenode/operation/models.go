package operation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"spillway/job"
	"spillway/native/dlib"
)

// DefaultModels is where Debian's package libdlib-data puts the model of faces. It
// is looked at after the folder that the node was told of.
const DefaultModels = "/usr/share/dlib"

// faceModel is the file that dlib's authors give this model: 95 MB.
const faceModel = "shape_predictor_68_face_landmarks.dat"

// models are what operations load from a node's model files: each at its first
// use, once, and kept until close. It may be used concurrently.
type models struct {
	dir      string // looked at before DefaultModels; empty: none
	identity identity

	mu        sync.Mutex
	predictor *dlib.Predictor  // nil until it is needed
	idle      []*dlib.Detector // as many as were at work at once
	lent      int              // calls at work
	closed    bool             // since the last call came: the last one to end frees all
}

// faces lends what finds faces to use. The predictor is shared, the detector is for
// this call alone. Errors: *job.Error, those of dlib, and what use returns.
func (m *models) faces(use func(*dlib.Predictor, *dlib.Detector) error) error {
	predictor, detector, err := m.lend()
	if err != nil {
		return err
	}
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.idle = append(m.idle, detector)
		if m.lent--; m.lent == 0 && m.closed {
			_ = m.free()
		}
	}()
	return use(predictor, detector)
}

// lend loads and makes what is not there. Who comes meanwhile waits, as all need
// the same.
func (m *models) lend() (*dlib.Predictor, *dlib.Detector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
	if m.predictor == nil {
		path, err := m.find(faceModel)
		if err != nil {
			return nil, nil, err
		}
		if m.predictor, err = dlib.Open(path); err != nil {
			return nil, nil, badModel(path, err)
		}
	}
	if last := len(m.idle) - 1; last >= 0 {
		detector := m.idle[last]
		m.idle = m.idle[:last]
		m.lent++
		return m.predictor, detector, nil
	}
	detector, err := dlib.NewDetector()
	if err != nil {
		return nil, nil, err
	}
	m.lent++
	return m.predictor, detector, nil
}

// find returns the path of a model file. Errors: *job.Error with Unimplemented, for
// another node may have it.
func (m *models) find(name string) (string, error) {
	if !dlib.Available {
		return "", dlib.ErrUnavailable // before anybody is sent after a file
	}
	var places []string
	if m.dir != "" {
		places = append(places, m.dir)
	}
	places = append(places, DefaultModels)
	for _, dir := range places {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			return path, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", badModel(path, err)
		}
	}
	why := fmt.Errorf("there is no %s in %s", name, job.Shown(places[0]))
	if len(places) > 1 {
		why = fmt.Errorf("%w or %s", why, places[1])
	}
	return "", job.E(job.Unimplemented, "load a model", why,
		"install Debian's libdlib-data on the node, or name the folder that has the file with --models")
}

// badModel is a file that is there and of no use. Errors of dlib that tell of
// something else stay what they are.
func badModel(path string, err error) error {
	if errors.Is(err, dlib.ErrUnavailable) || errors.Is(err, dlib.ErrProcessor) || errors.Is(err, dlib.ErrMemory) {
		return err
	}
	return job.E(job.Unimplemented, "load "+job.Shown(path), err,
		"install Debian's libdlib-data again, or name a folder with a whole file with --models")
}

// close frees everything, or has the calls at work do so when they end.
func (m *models) close() error { return errors.Join(m.identity.close(), m.closeFaces()) }

func (m *models) closeFaces() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed = true; m.lent > 0 {
		return nil
	}
	return m.free()
}

// free is called with mu held.
func (m *models) free() error {
	err := m.predictor.Close()
	for _, detector := range m.idle {
		err = errors.Join(err, detector.Close())
	}
	m.predictor, m.idle = nil, nil
	return err
}

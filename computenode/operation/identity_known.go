package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"spillway/confine"
	"spillway/face"
	"spillway/job"
	"spillway/native/opencv"
)

const (
	// maxKnown bounds the pictures of known faces: each child process of a node describes
	// all of them at its first task, which must end in the time that a task has.
	maxKnown = 256
	// knownSide is the longest side of the picture in which a known face is looked for;
	// where there is none, one twice as large is looked at.
	knownSide = 640
	// maxUnused bounds how many known pictures of no use are named.
	maxUnused = 20
	// cachedFolders bounds the folders of known faces that are remembered.
	cachedFolders = 4
)

// knownCache remembers the faces of known pictures, by folder and file, for as long as
// the files stay the same. The zero knownCache is empty.
type knownCache struct {
	folders map[string]map[string]knownPicture
	recent  []string // of the folders, the last one used last
}

// knownPicture is what a picture of a known face gave.
type knownPicture struct {
	size       int64
	changed    time.Time
	descriptor face.Descriptor
	unused     string // why it is of no use; "": it has one face
}

// of is what is remembered of a folder.
func (c *knownCache) of(folder string) map[string]knownPicture {
	if c.folders == nil {
		c.folders = map[string]map[string]knownPicture{}
	}
	c.recent = append(slices.DeleteFunc(c.recent, func(f string) bool { return f == folder }), folder)
	if len(c.recent) > cachedFolders {
		delete(c.folders, c.recent[0])
		c.recent = c.recent[1:]
	}
	if c.folders[folder] == nil {
		c.folders[folder] = map[string]knownPicture{}
	}
	return c.folders[folder]
}

// knownFolder is a folder of known faces.
type knownFolder struct {
	*confine.Folder
	name string // within the folder
}

// known describes the faces of the folder called name. Errors: *job.Error, those of
// goface, ctx's own.
func (f *Files) known(ctx context.Context, r recognizer, cache *knownCache, name string) (*face.Known, []face.Sample, error) {
	dir, err := f.knownFolder(name)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	files, err := dir.list()
	if err != nil {
		return nil, nil, err
	}
	have := cache.of(path.Join(dir.Path(), name))
	maps.DeleteFunc(have, func(file string, _ knownPicture) bool { return !slices.Contains(files, file) })
	var samples []face.Sample
	var unused []string
	for _, file := range files {
		if err := ctx.Err(); err != nil { // what is described is not lost
			return nil, nil, err
		}
		one, err := dir.describe(r, have, file)
		switch {
		case err != nil:
			return nil, nil, err
		case one.unused != "":
			unused = append(unused, job.Shown(path.Join(name, file))+": "+one.unused)
		default:
			samples = append(samples, face.Sample{Name: nameOf(file), Descriptor: one.descriptor})
		}
	}
	if len(samples) == 0 {
		why := errors.New("no picture in it shows a face")
		if len(unused) > 0 {
			why = fmt.Errorf("%w (%s)", why, strings.Join(unused[:min(3, len(unused))], "; "))
		}
		return nil, nil, job.E(job.FailedPrecondition, "look for known faces in "+job.Shown(name), why, knownHint(name))
	}
	if more := len(unused) - maxUnused; more > 0 {
		unused = append(unused[:maxUnused], fmt.Sprintf("and %d more", more))
	}
	return &face.Known{Folder: name, People: people(samples), Sum: face.Sum(samples), Unused: unused}, samples, nil
}

// people counts names.
func people(samples []face.Sample) int {
	names := map[string]bool{}
	for _, s := range samples {
		names[s.Name] = true
	}
	return len(names)
}

// nameOf is who a picture shows: what the folder that it lies in is called, or itself.
func nameOf(file string) string {
	if dir, _, ok := strings.Cut(file, "/"); ok {
		return dir
	}
	return stem(file)
}

func knownHint(name string) string {
	name = job.Shown(name)
	return fmt.Sprintf("put pictures with one face each into %s beside input_dir, or in the folder of --models, as %s/alice.jpg or %s/alice/1.jpg", name, name, name)
}

// knownFolder finds the folder beside input_dir, or else among the models, for nodes that
// do not see the job's folder. Errors: *job.Error with Unimplemented, as another node may
// have it.
func (f *Files) knownFolder(name string) (knownFolder, error) {
	folder, err := f.open()
	if err != nil {
		return knownFolder{}, err
	}
	roots, places := f.trouble.roots, []string{folder.Path()}
	if dir := f.models.dir; dir != "" {
		places = append(places, dir)
	}
	for i, dir := range places {
		if i > 0 {
			if roots, err = confine.NewRoots(dir); err != nil {
				return knownFolder{}, job.E(job.Unimplemented, "open "+job.Shown(dir), err, "check --models")
			}
		}
		opened, err := roots.Open(dir)
		if err != nil {
			return knownFolder{}, f.trouble.open(dir, err)
		}
		info, err := opened.Stat(name)
		if err == nil && info.IsDir() {
			return knownFolder{opened, name}, nil
		}
		opened.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return knownFolder{}, f.trouble.open(path.Join(dir, name), err)
		}
	}
	return knownFolder{}, job.E(job.Unimplemented, "look for known faces",
		fmt.Errorf("there is no folder %s beside input_dir that this node sees, nor in --models", job.Shown(name)), knownHint(name))
}

// list names the pictures in the folder, and in its folders, sorted. Errors: *job.Error.
func (d knownFolder) list() ([]string, error) {
	files, dirs, err := d.entries("")
	for _, dir := range dirs {
		var within []string
		if err == nil && len(files) <= maxKnown {
			within, _, err = d.entries(dir)
		}
		files = append(files, within...)
	}
	if err != nil {
		return nil, err
	}
	if len(files) > maxKnown {
		return nil, job.E(job.FailedPrecondition, "look for known faces in "+job.Shown(d.name), fmt.Errorf("it has more than %d pictures", maxKnown),
			"a few of each person are enough")
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(nameOf(a), nameOf(b)), cmp.Compare(a, b)) })
	return files, nil
}

// entries names the pictures and folders in a folder of d, with it before their names.
func (d knownFolder) entries(dir string) (files, dirs []string, err error) {
	file, err := d.Open(path.Join(d.name, dir))
	if err != nil {
		return nil, nil, d.unreadable(dir, err)
	}
	defer file.Close()
	for len(files) <= maxKnown {
		names, err := file.Readdirnames(1024)
		for _, name := range names {
			name = path.Join(dir, name)
			info, err := d.Stat(path.Join(d.name, name))
			switch {
			case path.Base(name)[0] == '.' || err != nil && !job.IsPicture(name):
			case err == nil && info.IsDir():
				dirs = append(dirs, name)
			case job.IsPicture(name): // also what cannot be looked at, which is then named
				files = append(files, name)
			}
		}
		if errors.Is(err, io.EOF) {
			return files, dirs, nil
		}
		if err != nil {
			return nil, nil, d.unreadable(dir, err)
		}
	}
	return files, dirs, nil
}

func (d knownFolder) unreadable(file string, err error) error {
	return job.E(job.Unavailable, "read "+job.Shown(path.Join(d.name, file)), err, "let the user that runs the node read it")
}

// describe is the face on a picture, from memory where the file is the same. Errors:
// those of goface and opencv that the picture is not to blame for.
func (d knownFolder) describe(r recognizer, have map[string]knownPicture, file string) (knownPicture, error) {
	info, err := d.Stat(path.Join(d.name, file))
	if err != nil {
		return knownPicture{unused: "it cannot be read: " + cause(err)}, nil
	}
	if one, ok := have[file]; ok && one.size == info.Size() && one.changed.Equal(info.ModTime()) {
		return one, nil
	}
	one := knownPicture{size: info.Size(), changed: info.ModTime()}
	im, why := d.picture(file, info)
	switch {
	case errors.Is(why, opencv.ErrMemory), errors.Is(why, opencv.ErrUnavailable):
		return one, why
	case why != nil:
		one.unused = job.AsError(why).Err.Error()
		have[file] = one
		return one, nil
	}
	defer im.Close()
	faces, err := lookFor(r, im, knownSide, 0)
	if err == nil && len(faces) == 0 {
		faces, err = lookFor(r, im, knownSide, 1)
	}
	switch {
	case err != nil:
		return one, err
	case len(faces) == 0:
		one.unused = "it shows no face"
	case len(faces) > 1:
		one.unused = fmt.Sprintf("it shows %d faces, and nobody can tell whose name it is", len(faces))
	default:
		one.descriptor = faces[0].Descriptor
	}
	have[file] = one
	return one, nil
}

// picture decodes a file. Errors: why it cannot.
func (d knownFolder) picture(file string, info fs.FileInfo) (*opencv.Image, error) {
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > MaxInputBytes:
		return nil, errors.New("it is too large")
	}
	in, err := d.Open(path.Join(d.name, file))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %s", cause(err))
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, MaxInputBytes))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %s", cause(err))
	}
	if err := checkPicture(file, data); err != nil {
		return nil, err
	}
	im, err := opencv.Decode(data)
	if errors.Is(err, opencv.ErrUndecodable) {
		err = errors.New("the picture is damaged")
	}
	return im, err
}

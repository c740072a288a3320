package split

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spillway/job"
	"spillway/native/ffmpeg"
)

// kind is how the inputs of some operations become tasks, and tasks' outputs one.
// Each kind has a file of its own. Its methods may be called concurrently.
type kind interface {
	// takes tells inputs from other files by the ending of their name, in lower case.
	takes(ext string) bool
	// plan cuts an input into parts. It depends on the file and the operation alone, so
	// that the result does, too, and not on how many nodes there are. No parts: the
	// input is one task. An error means that too: the node will tell what is wrong.
	plan(ctx context.Context, in *os.File, name string, op job.Operation) ([]job.Part, error)
}

// joiner is a kind whose parts become one output, or the same few of each input.
type joiner interface {
	kind
	// outputs are the names of what becomes of the input called name.
	outputs(name string) []string
	// join makes them of the parts' segments, in their order, and checks that nothing is
	// missing.
	join(ctx context.Context, j joining) error
}

// joining is what a joiner has to do. The files are closed by the caller.
type joining struct {
	parts    []job.Part
	segments []*os.File // in the order of the parts
	source   *os.File   // the input
	outs     []*os.File // empty
	// input opens another file of input_dir, which the caller closes.
	input func(name string) (*os.File, error)
}

// kindOf is the kind of an operation's inputs.
func kindOf(op job.Operation) kind {
	switch {
	case strings.HasPrefix(op.Name, job.VideoPrefix):
		return frames{}
	case op.Name == job.CreateVideo:
		return sequences{op: op}
	case op.Name == job.ExtractFrames:
		return samples{}
	case op.Name == job.Stems, op.Name == job.Karaoke:
		return songs{op}
	case op.Name == "metadata":
		return media{}
	}
	return pictures{}
}

// endings of the names of files.
type endings []string

func (e endings) takes(ext string) bool { return slices.Contains(e, ext) }

// isInput tells a kind's inputs from other files by name alone; hidden files are none.
func isInput(k kind, name string) bool {
	return name[0] != '.' && k.takes(strings.ToLower(filepath.Ext(name)))
}

// pictures are tasks of their own.
type pictures struct{}

func (pictures) takes(ext string) bool { return slices.Contains(extensions, ext) }

func (pictures) plan(context.Context, *os.File, string, job.Operation) ([]job.Part, error) {
	return nil, nil
}

// videoEndings and soundEndings are those of the files that FFmpeg may read.
var (
	videoEndings = endings{".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv", ".ogv", ".3gp", ".gif"}
	soundEndings = endings{".mp3", ".flac", ".wav", ".ogg", ".oga", ".opus", ".m4a", ".aac"}
)

// media are videos and sounds that are not cut.
type media struct{}

func (media) takes(ext string) bool { return videoEndings.takes(ext) || soundEndings.takes(ext) }

func (media) plan(context.Context, *os.File, string, job.Operation) ([]job.Part, error) {
	return nil, nil
}

// programs are FFmpeg's.
func programs() ffmpeg.Programs { return ffmpeg.Programs{} }

package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFileName bounds the name of a file in a node's own file space, in bytes. It
// leaves room for [MeshPrefix].
const MaxFileName = 250

// Files is a node's own file space: a flat folder that lives as long as the node.
// The node implements it, and so does a connection to it, so that a caller cannot
// tell near from far. All methods may be called concurrently.
//
// Every method that takes a name gives InvalidArgument for one that
// [CheckFileName] refuses, and Unavailable where the disk or the way to the node is
// at fault.
type Files interface {
	// Put takes a piece of a file. The first reserves room for the whole; the last
	// has its SHA-256, and only then can the file be seen, replacing what had the
	// name. A piece that came before may come again.
	//
	// Errors: InvalidArgument (a piece that does not fit), FailedPrecondition
	// (bytes before the piece are missing: ask PutOffset), ResourceExhausted (no
	// room at the moment), Unimplemented (it would never fit), Unavailable (what
	// came has another sum, and is gone).
	Put(ctx context.Context, p Piece) error
	// PutOffset is how many bytes of an unfinished file have come, where it is to
	// have so many; 0 where none goes on. An unfinished file is kept for ten minutes.
	PutOffset(ctx context.Context, name string, size int64) (int64, error)
	// Get reads at most [ChunkBytes] from offset on. The last piece has the file's
	// SHA-256. Errors: NotFound, InvalidArgument (an offset beyond the end).
	Get(ctx context.Context, name string, offset int64) (Piece, error)
	// List names every file that is whole, in order.
	List(ctx context.Context) ([]FileInfo, error)
	// Delete removes a file, and an unfinished one of that name. Errors: NotFound.
	Delete(ctx context.Context, name string) error
	// DeleteAll removes every file.
	DeleteAll(ctx context.Context) error
}

// FileInfo is one file of a node's file space.
type FileInfo struct {
	Name string
	Size int64 // bytes
}

// CheckFileName reports whether name can be a file's in a node's file space: one
// path element of 1 to [MaxFileName] bytes of UTF-8, without control characters and
// without [HiddenPrefix]. Errors: InvalidArgument.
func CheckFileName(name string) error {
	var why string
	switch {
	case name == "":
		why = "it is empty"
	case name == "." || name == "..":
		why = "it is a folder's"
	case len(name) > MaxFileName:
		why = fmt.Sprintf("it has %d bytes, more than %d", len(name), MaxFileName)
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case strings.ContainsRune(name, '/'):
		why = "it has a slash"
	case strings.ContainsFunc(name, unicode.IsControl):
		why = "it has a control character"
	case strings.HasPrefix(name, HiddenPrefix):
		why = "names that begin with " + HiddenPrefix + " are the node's own"
	default:
		return nil
	}
	return E(InvalidArgument, "file name "+Shown(fmt.Sprintf("%.80s", name)), errors.New(why), "name it as in 12.1.png")
}

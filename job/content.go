package job

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// ChunkBytes is how much of a file travels at once, so that neither side holds
// more of it in memory.
const ChunkBytes = 512 << 10

// HiddenPrefix begins the names of the files in output_dir that are no outputs:
// those that are being written, and a job's marker.
const HiddenPrefix = ".spillway-"

// ErrNeedsContent is wrapped by the FailedPrecondition with which a node answers a
// task whose folder it does not see: sent with content, it can do it. The node has
// drawn nothing for the task.
var ErrNeedsContent = errors.New("this node does not see the job's folder")

// Content carries the files of one attempt to a node that does not see the job's
// folder, and back. The server's folder implements it, and so does the node's end
// of the wire, so that a worker cannot tell near from far. It is used by one
// goroutine at a time.
//
// Errors, by who acts on them: InvalidArgument, NotFound, PermissionDenied,
// FailedPrecondition (the folder has to be mended first); Unavailable (a disk, or
// what did not arrive as it was sent: another time it may).
type Content interface {
	// Input describes the input, and comes before any Read.
	Input(ctx context.Context) (InputInfo, error)
	// Read fills p with the input's bytes from offset on; there are so many. With
	// the last byte comes the SHA-256 of all of them, and nil before.
	Read(ctx context.Context, p []byte, offset int64) (sum []byte, err error)
	// Write takes a piece of an output. One that came before may come again. The
	// last is refused unless the output is whole and has its SHA-256.
	Write(ctx context.Context, p Piece) error
}

// InputInfo is an input as it is when an attempt begins.
type InputInfo struct {
	Size     int64     // bytes
	Modified time.Time // the last change; zero: unknown
}

// Piece is some bytes of an output, in the order of their offsets.
type Piece struct {
	Name   string // of the output: one path element
	Size   int64  // of the whole output
	Offset int64
	Data   []byte // the callee does not keep it
	Sum    []byte // SHA-256 of the whole output, with its last piece
}

// Last tells that the output ends with this piece.
func (p Piece) Last() bool { return p.Offset+int64(len(p.Data)) == p.Size }

// Check reports whether the piece can be one. Errors: InvalidArgument.
func (p Piece) Check() error {
	if p.Size < 0 || p.Offset < 0 || p.Offset > p.Size || int64(len(p.Data)) > p.Size-p.Offset ||
		len(p.Data) == 0 && p.Size > 0 || p.Last() != (len(p.Sum) == sha256.Size) {
		return E(InvalidArgument, "output "+Shown(p.Name), errors.New("a piece of it does not fit the whole"), "")
	}
	return nil
}

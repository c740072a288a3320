package rpc

import (
	"context"
	"errors"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// pieceTimeout bounds the short calls about files, of a caller that sets no deadline.
const pieceTimeout = 30 * time.Second

// lastPieceTimeout bounds those that may wait until the node has read a large file, whose
// SHA-256 goes with its last piece.
const lastPieceTimeout = 5 * time.Minute

var (
	_ job.Files = (*NodeConn)(nil)
	_ job.Media = (*NodeConn)(nil)
)

// fileCall makes a call about files.
func fileCall[T any](ctx context.Context, n *NodeConn, op string, do func(context.Context, *spillway.ComputeNodeClient) (T, error)) (T, error) {
	var answer T
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		answer, err = do(ctx, c)
		return err
	})
	switch {
	case err == nil:
		return answer, nil
	case unknownMethod(err):
		err = job.E(job.Unimplemented, op, errors.New("the node speaks only execute and delayed_execute"), "use a node of this program")
	default:
		err = n.translate(ctx, op, err)
	}
	var none T
	return none, err
}

// shortFileCall is a fileCall that ends after pieceTimeout at the latest.
func shortFileCall[T any](ctx context.Context, n *NodeConn, op string, do func(context.Context, *spillway.ComputeNodeClient) (T, error)) (T, error) {
	ctx, cancel := withDefaultTimeout(ctx, pieceTimeout)
	defer cancel()
	return fileCall(ctx, n, op, do)
}

// Put implements [job.Files].
func (n *NodeConn) Put(ctx context.Context, p job.Piece) error {
	_, err := shortFileCall(ctx, n, "put file", func(ctx context.Context, c *spillway.ComputeNodeClient) (struct{}, error) {
		return struct{}{}, c.PutFile(ctx, filePieceToWire(p))
	})
	return err
}

// PutOffset implements [job.Files].
func (n *NodeConn) PutOffset(ctx context.Context, name string, size int64) (int64, error) {
	return shortFileCall(ctx, n, "put file", func(ctx context.Context, c *spillway.ComputeNodeClient) (int64, error) {
		return c.PutOffset(ctx, name, size)
	})
}

// Get implements [job.Files].
func (n *NodeConn) Get(ctx context.Context, name string, offset int64) (job.Piece, error) {
	ctx, cancel := withDefaultTimeout(ctx, lastPieceTimeout)
	defer cancel()
	p, err := fileCall(ctx, n, "get file", func(ctx context.Context, c *spillway.ComputeNodeClient) (*spillway.FilePiece, error) {
		return c.GetFile(ctx, name, offset)
	})
	if err != nil {
		return job.Piece{}, err
	}
	piece := filePieceFromWire(p)
	if err := piece.Check(); err != nil || piece.Offset != offset {
		return job.Piece{}, job.E(job.Unavailable, "node "+n.addr, errors.New("it answered with another piece than was asked for"), "")
	}
	return piece, nil
}

// List implements [job.Files].
func (n *NodeConn) List(ctx context.Context) ([]job.FileInfo, error) {
	all, err := shortFileCall(ctx, n, "list files", func(ctx context.Context, c *spillway.ComputeNodeClient) ([]*spillway.FileEntry, error) {
		return c.ListFiles(ctx)
	})
	return convert(all, fileFromWire), err
}

// Delete implements [job.Files].
func (n *NodeConn) Delete(ctx context.Context, name string) error {
	_, err := shortFileCall(ctx, n, "delete file", func(ctx context.Context, c *spillway.ComputeNodeClient) (struct{}, error) {
		return struct{}{}, c.DeleteFile(ctx, name)
	})
	return err
}

// DeleteAll implements [job.Files].
func (n *NodeConn) DeleteAll(ctx context.Context) error {
	_, err := shortFileCall(ctx, n, "delete all files", func(ctx context.Context, c *spillway.ComputeNodeClient) (struct{}, error) {
		return struct{}{}, c.DeleteAllFiles(ctx)
	})
	return err
}

// View implements [job.Media].
func (n *NodeConn) View(ctx context.Context) ([]job.Activity, error) {
	all, err := shortFileCall(ctx, n, "view job", func(ctx context.Context, c *spillway.ComputeNodeClient) ([]*spillway.Activity, error) {
		return c.ViewJob(ctx)
	})
	return convert(all, activityFromWire), err
}

// Metadata implements [job.Media].
func (n *NodeConn) Metadata(ctx context.Context, name string) (job.VideoInfo, error) {
	v, err := fileCall(ctx, n, "video metadata", func(ctx context.Context, c *spillway.ComputeNodeClient) (*spillway.VideoMetadata, error) {
		return c.VideoMetadata(ctx, name)
	})
	if err != nil {
		return job.VideoInfo{}, err
	}
	return videoFromWire(v), nil
}

// Extract implements [job.Media].
func (n *NodeConn) Extract(ctx context.Context, e job.Extraction) ([]string, error) {
	return fileCall(ctx, n, "extract images", func(ctx context.Context, c *spillway.ComputeNodeClient) ([]string, error) {
		return c.ExtractImages(ctx, extractionToWire(e))
	})
}

// Create implements [job.Media].
func (n *NodeConn) Create(ctx context.Context, v job.Creation) (string, error) {
	return fileCall(ctx, n, "create video", func(ctx context.Context, c *spillway.ComputeNodeClient) (string, error) {
		return c.CreateVideo(ctx, creationToWire(v))
	})
}

// DetectFace implements [job.Media].
func (n *NodeConn) DetectFace(ctx context.Context, name string) ([]job.Point, error) {
	face, err := fileCall(ctx, n, "detect face", func(ctx context.Context, c *spillway.ComputeNodeClient) ([]*spillway.Point, error) {
		return c.DetectFace(ctx, name)
	})
	return convert(face, pointFromWire), err
}

// DrawMesh implements [job.Media].
func (n *NodeConn) DrawMesh(ctx context.Context, name string, face []job.Point) (string, error) {
	return fileCall(ctx, n, "draw mesh", func(ctx context.Context, c *spillway.ComputeNodeClient) (string, error) {
		return c.DrawMesh(ctx, name, convert(face, pointToWire))
	})
}

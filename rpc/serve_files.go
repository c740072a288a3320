package rpc

import (
	"context"
	"errors"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// errNoFiles answers the calls about files at a node that has none.
func errNoFiles(op string) error {
	return failureToWire(job.E(job.Unimplemented, op, errors.New("this node keeps no files of its own"), ""))
}

// ask does a call about files that returns something, at a node that has F.
func ask[F, T any](h *nodeHandler, op string, do func(F) (T, error)) (T, error) {
	var none T
	f, ok := h.node.(F)
	if !ok {
		return none, errNoFiles(op)
	}
	answer, err := do(f)
	if err != nil {
		return none, failureToWire(err)
	}
	return answer, nil
}

// tell does a call about files that returns nothing.
func tell(h *nodeHandler, op string, do func(job.Files) error) error {
	_, err := ask(h, op, func(f job.Files) (struct{}, error) { return struct{}{}, do(f) })
	return err
}

func (h *nodeHandler) PutFile(ctx context.Context, p *spillway.FilePiece) error {
	return tell(h, "put file", func(f job.Files) error {
		if p == nil {
			return job.E(job.InvalidArgument, "put file", errors.New("the call has no piece"), "")
		}
		return f.Put(ctx, filePieceFromWire(p))
	})
}

func (h *nodeHandler) PutOffset(ctx context.Context, name string, size int64) (int64, error) {
	return ask(h, "put file", func(f job.Files) (int64, error) { return f.PutOffset(ctx, name, size) })
}

func (h *nodeHandler) GetFile(ctx context.Context, name string, offset int64) (*spillway.FilePiece, error) {
	return ask(h, "get file", func(f job.Files) (*spillway.FilePiece, error) {
		p, err := f.Get(ctx, name, offset)
		return filePieceToWire(p), err
	})
}

func (h *nodeHandler) ListFiles(ctx context.Context) ([]*spillway.FileEntry, error) {
	return ask(h, "list files", func(f job.Files) ([]*spillway.FileEntry, error) {
		all, err := f.List(ctx)
		return convert(all, fileToWire), err
	})
}

func (h *nodeHandler) DeleteFile(ctx context.Context, name string) error {
	return tell(h, "delete file", func(f job.Files) error { return f.Delete(ctx, name) })
}

func (h *nodeHandler) DeleteAllFiles(ctx context.Context) error {
	return tell(h, "delete all files", func(f job.Files) error { return f.DeleteAll(ctx) })
}

func (h *nodeHandler) ViewJob(ctx context.Context) ([]*spillway.Activity, error) {
	return ask(h, "view job", func(m job.Media) ([]*spillway.Activity, error) {
		all, err := m.View(ctx)
		return convert(all, activityToWire), err
	})
}

func (h *nodeHandler) VideoMetadata(ctx context.Context, name string) (*spillway.VideoMetadata, error) {
	return ask(h, "video metadata", func(m job.Media) (*spillway.VideoMetadata, error) {
		v, err := m.Metadata(ctx, name)
		return videoToWire(v), err
	})
}

func (h *nodeHandler) ExtractImages(ctx context.Context, e *spillway.Extraction) ([]string, error) {
	return ask(h, "extract images", func(m job.Media) ([]string, error) { return m.Extract(ctx, extractionFromWire(e)) })
}

func (h *nodeHandler) CreateVideo(ctx context.Context, c *spillway.Creation) (string, error) {
	return ask(h, "create video", func(m job.Media) (string, error) { return m.Create(ctx, creationFromWire(c)) })
}

func (h *nodeHandler) DetectFace(ctx context.Context, name string) ([]*spillway.Point, error) {
	return ask(h, "detect face", func(m job.Media) ([]*spillway.Point, error) {
		face, err := m.DetectFace(ctx, name)
		return convert(face, pointToWire), err
	})
}

func (h *nodeHandler) DrawMesh(ctx context.Context, name string, points []*spillway.Point) (string, error) {
	return ask(h, "draw mesh", func(m job.Media) (string, error) { return m.DrawMesh(ctx, name, convert(points, pointFromWire)) })
}

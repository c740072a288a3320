package files

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
)

// Composer is what the tus protocol's library keeps uploads in. Its locks live as long
// as the store does.
func (s *Store) Composer() *handler.StoreComposer {
	kept := core{filestore.New(filepath.Join(s.dir, hidden)), s}
	kept.DirModePerm, kept.FileModePerm = 0o750, 0o640
	c := handler.NewStoreComposer()
	c.UseCore(kept)
	c.UseTerminater(kept)
	c.UseLocker(s.locks)
	return c
}

// core is the library's store of files, with what this one knows of them.
type core struct {
	filestore.FileStore
	s *Store
}

// NewUpload implements handler.DataStore: what cannot be kept holds no name and no room.
func (c core) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	u, err := c.FileStore.NewUpload(ctx, info)
	if err != nil {
		return nil, c.s.told("begin an upload", errors.Join(err, c.s.forget(info)))
	}
	return upload{u, info.ID, c.s}, nil
}

// GetUpload implements handler.DataStore: an upload whose file has its place is known
// for a while, for who did not hear that it is whole.
func (c core) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	u, err := c.FileStore.GetUpload(ctx, id)
	if err == nil {
		return upload{u, id, c.s}, nil
	}
	if info, err := c.s.done(id); err == nil {
		return upload{placed{info}, id, c.s}, nil
	}
	if errors.Is(err, handler.ErrNotFound) {
		return nil, err
	}
	return nil, c.s.told("look for an upload", err)
}

// AsTerminatableUpload implements handler.TerminaterDataStore.
func (c core) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return u.(upload) //nolint:forcetypeassert // it made all that there are
}

// upload is one of the library's.
type upload struct {
	handler.Upload
	id string
	s  *Store
}

// WriteChunk implements handler.Upload.
func (u upload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	n, err := u.Upload.WriteChunk(ctx, offset, src)
	return n, u.s.told("write to upload "+u.id, err)
}

// Terminate implements handler.TerminatableUpload. A file that has its place stays.
func (u upload) Terminate(ctx context.Context) error {
	info, err := u.GetInfo(ctx)
	if err == nil {
		err = u.s.forget(info)
	}
	return u.s.told("end upload "+u.id, err)
}

// placed is an upload whose file has its place.
type placed struct{ info handler.FileInfo }

func (p placed) GetInfo(context.Context) (handler.FileInfo, error) { return p.info, nil }
func (p placed) FinishUpload(context.Context) error                { return nil }
func (p placed) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, handler.ErrNotImplemented
}

func (p placed) WriteChunk(context.Context, int64, io.Reader) (int64, error) {
	return 0, handler.ErrSizeExceeded
}

// told makes of an error of the disk what the library can answer with.
func (s *Store) told(op string, err error) error {
	if err == nil {
		return nil
	}
	err = s.trouble(op, err)
	if errors.Is(err, ErrFull) {
		return handler.NewError("ERR_FULL", "full", http.StatusInsufficientStorage)
	}
	return handler.NewError("ERR_DISK", "disk", http.StatusServiceUnavailable)
}

// locks has one call at a time work on an upload. Who comes later has the one before
// stop taking bytes: most often that one's connection is dead, and nobody knows it yet.
type locks struct{ *memorylocker.MemoryLocker }

// NewLock implements handler.Locker.
func (l locks) NewLock(id string) (handler.Lock, error) {
	inner, err := l.MemoryLocker.NewLock(id)
	return lock{inner}, err
}

type lock struct{ of handler.Lock }

// Unlock implements handler.Lock.
func (l lock) Unlock() error { return l.of.Unlock() }

// Lock implements handler.Lock: a lock that does not come is no fault of the server.
func (l lock) Lock(ctx context.Context, release func()) error {
	err := l.of.Lock(ctx, release)
	if errors.Is(err, handler.ErrLockTimeout) {
		return handler.ErrFileLocked
	}
	return err
}

// Package media is the work of a node on pictures, videos and faces that needs native
// code: what its child processes do, and the node's end of it.
package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"spillway/job"
)

// Native does the work, as package files asks for it: its doc comments say how.
type Native interface {
	Metadata(ctx context.Context, path string) (job.VideoInfo, error)
	Extract(ctx context.Context, path, dir string, e job.Extraction) (int, error)
	Create(ctx context.Context, c job.Creation, out string) error
	DetectFace(ctx context.Context, path string) ([]job.Point, error)
	DrawMesh(ctx context.Context, path, out string, face []job.Point) error
}

// Kind is which method of [Native] a request is for.
type Kind string

// The kinds of requests.
const (
	Metadata   Kind = "metadata"
	Extract    Kind = "extract"
	Create     Kind = "create"
	DetectFace Kind = "detect_face"
	DrawMesh   Kind = "draw_mesh"
)

// Request is one call of [Native], as encoding/gob carries it.
type Request struct {
	Kind       Kind
	Path       string // of the input
	Out        string // of the output: a file, or the folder of those of Extract
	Extraction job.Extraction
	Creation   job.Creation
	Face       []job.Point
}

// Folder is where a request writes; "": nowhere.
func (r Request) Folder() string {
	switch {
	case r.Out == "" || r.Kind == Extract:
		return r.Out
	}
	return filepath.Dir(r.Out)
}

// Progress is how many bytes lie in the folder where the request writes; -1: it writes
// nowhere, or nobody can tell.
func (r Request) Progress() int64 {
	folder := r.Folder()
	if folder == "" {
		return -1
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return -1
	}
	var bytes int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// Reply is the answer to one.
type Reply struct {
	Video job.VideoInfo
	Count int
	Face  []job.Point
}

// Handler answers requests with n; a panic of it becomes an error.
func Handler(n Native) func(context.Context, Request) (Reply, error) {
	return func(ctx context.Context, r Request) (a Reply, err error) {
		defer func() {
			if value := recover(); value != nil {
				err = job.E(job.Internal, string(r.Kind), fmt.Errorf("it panicked: %v\n%s", value, debug.Stack()), "")
			}
		}()
		switch r.Kind {
		case Metadata:
			a.Video, err = n.Metadata(ctx, r.Path)
		case Extract:
			a.Count, err = n.Extract(ctx, r.Path, r.Out, r.Extraction)
		case Create:
			err = n.Create(ctx, r.Creation, r.Out)
		case DetectFace:
			a.Face, err = n.DetectFace(ctx, r.Path)
		case DrawMesh:
			err = n.DrawMesh(ctx, r.Path, r.Out, r.Face)
		default:
			err = job.E(job.Unimplemented, "", errors.New("no such work: "+string(r.Kind)), "")
		}
		return a, err
	}
}

// Client is a Native whose work another process does, or another goroutine.
type Client struct {
	do func(context.Context, Request) (Reply, error)
}

var _ Native = Client{}

// NewClient makes a client of what does requests.
func NewClient(do func(context.Context, Request) (Reply, error)) Client { return Client{do: do} }

// Metadata implements [Native].
func (c Client) Metadata(ctx context.Context, path string) (job.VideoInfo, error) {
	a, err := c.do(ctx, Request{Kind: Metadata, Path: path})
	return a.Video, err
}

// Extract implements [Native].
func (c Client) Extract(ctx context.Context, path, dir string, e job.Extraction) (int, error) {
	a, err := c.do(ctx, Request{Kind: Extract, Path: path, Out: dir, Extraction: e})
	return a.Count, err
}

// Create implements [Native].
func (c Client) Create(ctx context.Context, v job.Creation, out string) error {
	_, err := c.do(ctx, Request{Kind: Create, Creation: v, Out: out})
	return err
}

// DetectFace implements [Native].
func (c Client) DetectFace(ctx context.Context, path string) ([]job.Point, error) {
	a, err := c.do(ctx, Request{Kind: DetectFace, Path: path})
	return a.Face, err
}

// DrawMesh implements [Native].
func (c Client) DrawMesh(ctx context.Context, path, out string, face []job.Point) error {
	_, err := c.do(ctx, Request{Kind: DrawMesh, Path: path, Out: out, Face: face})
	return err
}

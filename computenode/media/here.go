package media

import (
	"context"
	"errors"

	"spillway/job"
)

// Here does the work in this process.
type Here struct{}

var _ Native = Here{}

var errNotYet = job.E(job.Unimplemented, "", errors.New("this node cannot do that yet"), "")

func (Here) Metadata(context.Context, string) (job.VideoInfo, error) {
	return job.VideoInfo{}, errNotYet
}
func (Here) Extract(context.Context, string, string, job.Extraction) (int, error) {
	return 0, errNotYet
}
func (Here) Create(context.Context, job.Creation, string) error          { return errNotYet }
func (Here) DetectFace(context.Context, string) ([]job.Point, error)     { return nil, errNotYet }
func (Here) DrawMesh(context.Context, string, string, []job.Point) error { return errNotYet }

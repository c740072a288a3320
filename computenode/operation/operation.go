package operation

import (
	"context"

	"spillway/job"
	"spillway/native/opencv"
)

// Operation is something that a node can do to one input. It has no state and
// may be used concurrently.
type Operation interface {
	// Info describes it and its parameters.
	Info() job.OperationInfo
	// Outputs names every file that Run may write to output_dir for the input
	// called name; empty where there is none.
	Outputs(name string, args job.Args) []string
	// Run does the work on the files that f gives. Errors: *job.Error, or those
	// of package opencv, which the executor translates.
	Run(ctx context.Context, f *Files, args job.Args) error
}

// picture is an operation that makes one picture of one picture.
type picture struct {
	info job.OperationInfo
	// apply returns the result. It may change src and return it, or return a new
	// image, which the caller closes.
	apply func(src *opencv.Image, args job.Args) (*opencv.Image, error)
}

var _ applier = picture{}

// Info describes the operation.
func (p picture) Info() job.OperationInfo { return p.info }

// Outputs is one file of the input's own name.
func (p picture) Outputs(name string, _ job.Args) []string { return []string{name} }

// Apply does the work on one picture.
func (p picture) Apply(_ context.Context, _ *Files, src *opencv.Image, args job.Args) (*opencv.Image, error) {
	return p.apply(src, args)
}

// Run reads, applies and writes.
func (p picture) Run(ctx context.Context, f *Files, args job.Args) error {
	src, err := f.Image(ctx)
	if err != nil {
		return err
	}
	dst, err := p.apply(src, args)
	if err != nil {
		return err
	}
	if dst != src {
		defer dst.Close()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.WriteImage(f.Name(), dst)
}

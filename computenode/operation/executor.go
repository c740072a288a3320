package operation

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"spillway/confine"
	"spillway/job"
	"spillway/native/dlib"
	"spillway/native/goface"
	"spillway/native/opencv"
)

// Request asks for one operation on one file. It can be sent with encoding/gob.
type Request struct {
	// Base is the absolute folder that holds input_dir and output_dir.
	Base string
	// Name is the file within input_dir: one path element; or that of a [job.Part] of it.
	Name string
	// Token tells this attempt from every other on the same file; [Token] makes it.
	Token     string
	Operation job.Operation
}

// Reply tells what a request did.
type Reply struct {
	// Outputs are written and wait for [Commit].
	Outputs []Output
	// InBytes and OutBytes are the sizes of the files read and written.
	InBytes, OutBytes int64
	// Run is the time from the first byte read to the last one written.
	Run time.Duration
}

// PanicError is the cause of the Internal error of an operation that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the value, not the stack.
func (p *PanicError) Error() string { return fmt.Sprintf("the operation panicked: %v", p.Value) }

// Executor runs requests. It may be used concurrently; each running request
// takes a core and the memory of its picture, so callers bound their number. It
// holds no open file between requests, and no native memory but for the models that
// operations asked for.
type Executor struct {
	roots  confine.Roots
	free   sync.Pool // of *[]byte: the memory of the last inputs, for the next
	models models
}

// NewExecutor makes an executor for folders below roots.
func NewExecutor(roots confine.Roots) *Executor {
	return &Executor{roots: roots, free: sync.Pool{New: func() any { return new([]byte) }}}
}

// ModelsIn names the folder in which model files are looked for before
// [DefaultModels]. It is called before the first Execute, if at all.
func (e *Executor) ModelsIn(dir string) { e.models.dir, e.models.identity.dir = dir, dir }

// Close frees the models, once no request uses them; later ones load them again.
func (e *Executor) Close() error { return e.models.close() }

// Execute runs one request and writes its outputs under temporary names; after
// an error none is left. It ends early, between steps, when ctx ends.
//
// Errors, all *job.Error: InvalidArgument (operation, parameter, not a picture,
// too large), NotFound, PermissionDenied, FailedPrecondition, DataLoss (damaged
// or cut off), Unimplemented (a build without OpenCV), Unavailable (disk full or
// broken: another node may do better), Internal (native code failed, no memory,
// a panic), Cancelled, DeadlineExceeded.
func (e *Executor) Execute(ctx context.Context, r Request) (Reply, error) {
	op, args, err := Find(r.Operation)
	if err != nil {
		return Reply{}, job.AsError(err)
	}
	t := trouble{roots: e.roots}
	if err := confine.CheckName(job.FileOf(r.Name)); err != nil {
		return Reply{}, t.read(r.Name, err)
	}
	allowed, err := outputs(op, r, args)
	if err != nil {
		return Reply{}, job.AsError(err)
	}
	start := time.Now()
	f := &Files{trouble: t, request: r, models: &e.models, allowed: allowed, buffer: e.free.Get().(*[]byte)}
	defer func() { f.close(); e.free.Put(f.buffer) }()
	if err := run(ctx, op, f, args); err != nil {
		f.removeAll()
		return Reply{}, explain(op.Info().Name, r.Name, err)
	}
	return Reply{Outputs: f.written, InBytes: f.inBytes, OutBytes: f.outBytes(), Run: time.Since(start)}, nil
}

// CheckBase reports whether base lies below roots, by its names. Errors: *job.Error
// with Unavailable, since it may below another node's.
func CheckBase(roots confine.Roots, base string) error {
	if _, err := roots.Path(base); err != nil {
		return trouble{roots: roots}.open(base, err)
	}
	return nil
}

// CheckSize reports whether an input may be so large. Errors: *job.Error with
// InvalidArgument.
func CheckSize(op job.Operation, name string, size int64) error {
	most := int64(MaxInputBytes)
	if found, _, err := Find(op); err == nil {
		switch found.(type) {
		case applier, faceLandmarks, faceIdentity: // only pictures are held in memory
		default:
			most = MaxMediaBytes
		}
	}
	if size <= most {
		return nil
	}
	return job.E(job.InvalidArgument, "read "+shown(job.InputDir, name),
		fmt.Errorf("its %d MiB are more than the %d that are allowed", size>>20, most>>20), "make the file smaller")
}

// run turns a panic into an error.
func run(ctx context.Context, op Operation, f *Files, args job.Args) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	return op.Run(ctx, f, args)
}

// explain makes every error a job.Error; what is none yet comes from the
// operation's own work.
func explain(operation, name string, err error) *job.Error {
	if done, ok := errors.AsType[*job.Error](err); ok {
		return done
	}
	op := "run " + operation + " on " + shown(job.InputDir, job.FileOf(name))
	if e := explainMedia(op, err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return job.E(job.CodeOf(err), op, err, "")
	case errors.Is(err, opencv.ErrUnavailable), errors.Is(err, dlib.ErrUnavailable):
		return job.E(job.Unimplemented, op, err, "run make build on the node, or start it from bin/")
	case errors.Is(err, goface.ErrUnavailable):
		return job.E(job.Unimplemented, op, err, "run make build-goface on the node, and give it the models with --models")
	case errors.Is(err, goface.ErrProcessor):
		return job.E(job.Unimplemented, op, err, "run make build-goface on the node itself")
	case errors.Is(err, goface.ErrModel):
		return job.E(job.Unimplemented, op, err, badFiles)
	case errors.Is(err, dlib.ErrProcessor):
		return job.E(job.Unimplemented, op, err, "build the node's program without the tag dlib_avx2")
	case errors.Is(err, opencv.ErrTooLarge):
		return job.E(job.InvalidArgument, op, plain{"the picture has more pixels than are allowed", err}, "make the picture smaller")
	case errors.Is(err, opencv.ErrMemory), errors.Is(err, dlib.ErrMemory):
		return job.E(job.Internal, op, plain{"there is not enough memory", err}, "raise the node's memory limit for one task, or make the picture smaller")
	}
	return job.E(job.Internal, op, err, "open the picture in another program and save it again, or use other parameters")
}

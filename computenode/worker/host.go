package worker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/computenode/workspace"
	"spillway/confine"
	"spillway/job"
	"spillway/trace"
)

// chunks are buffers of [job.ChunkBytes].
var chunks = sync.Pool{New: func() any { b := make([]byte, job.ChunkBytes); return &b }}

// look reports whether the node sees the very folder that the task names. Errors:
// FailedPrecondition with [job.ErrNeedsContent].
func (w *Worker) look(t job.Task) error {
	if t.Content != nil || t.Marker == "" || w.cfg.Workspace == nil {
		return nil
	}
	err := w.see(t.Base, t.Marker)
	if err == nil {
		return nil
	}
	return job.E(job.FailedPrecondition, "open "+job.Shown(t.Base), fmt.Errorf("%w: %w", job.ErrNeedsContent, err), "send it with its content")
}

// see looks for the marker, in an output_dir that the node may write to.
func (w *Worker) see(base, marker string) error {
	if err := confine.CheckName(marker); err != nil {
		return err
	}
	folder, err := w.roots.Open(base)
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, err = folder.Stat(path.Join(job.OutputDir, marker)); err != nil {
		return err
	}
	return unix.Faccessat(unix.AT_FDCWD, filepath.Join(folder.Path(), job.OutputDir), unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// hosted tells the workspace's folder that is at base.
func (w *Worker) hosted(base string) (folder string, ok bool) {
	if w.cfg.Workspace == nil {
		return "", false
	}
	return strings.CutPrefix(base, w.cfg.Workspace.Path()+string(filepath.Separator))
}

// host does a task in a folder of the workspace: it fetches the input, takes a
// slot for the operation, and hands the outputs over. The folder lives as long as
// the call. So few tasks have one that their files take little room, and little
// memory while they travel, and so many that the slots have something to do.
func (w *Worker) host(ctx context.Context, t job.Task, e *entry, r *job.Result) (err error) {
	space := w.cfg.Workspace
	if space == nil {
		err = job.E(job.Unimplemented, "", errors.New("this node has no workspace"), "")
		w.giveUp(e, err)
		return err
	}
	select {
	case w.guests <- struct{}{}:
		defer func() { <-w.guests }()
	case <-ctx.Done():
		w.giveUp(e, ended(ctx))
		return ended(ctx)
	}
	folder := w.token()
	defer func() {
		if left := space.Delete(folder); left != nil {
			w.log.Warn("files left behind", "folder", folder, "err", left)
		}
	}()
	fetching, fetched := traced(ctx, "fetch")
	release, err := w.bring(fetching, t, path.Join(folder, job.InputDir, job.FileOf(t.Name)))
	fetched(err)
	if err != nil {
		err = w.explain(ctx, t, err)
		w.giveUp(e, err)
		return err
	}
	defer release()
	t.Base = filepath.Join(space.Path(), folder)
	outs, err := w.take(ctx, t, e, r)
	if err != nil {
		if job.CodeOf(err) == job.Unavailable { // perhaps its disk is full
			space.Shed()
		}
		return err
	}
	defer w.handed()
	release()
	if err := space.Delete(path.Join(folder, job.InputDir)); err != nil { // to make room
		return w.explain(ctx, t, err)
	}
	putting, put := traced(ctx, "put")
	err = w.handAllOver(putting, t, path.Join(folder, job.OutputDir), outs)
	put(err)
	if err != nil {
		return w.explain(ctx, t, err)
	}
	for _, out := range outs {
		r.Outputs = append(r.Outputs, out.Name)
	}
	return nil
}

// handAllOver gives all outputs of a task, which lie in dir, to the caller.
func (w *Worker) handAllOver(ctx context.Context, t job.Task, dir string, outs []operation.Output) error {
	var bytes int64
	for _, out := range outs {
		size, err := w.handOver(ctx, t, dir, out)
		if err != nil {
			return err
		}
		bytes += size
	}
	if span := trace.Of(ctx); span.On() {
		span.Set(trace.Number(trace.Bytes, bytes))
	}
	return nil
}

// explain makes err one for the caller, and logs it where somebody should look.
func (w *Worker) explain(ctx context.Context, t job.Task, err error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case job.CodeOf(err) == job.ResourceExhausted:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.refusal(admission.Decision{Reject: true, Reason: err.Error() + "; " + job.HintOf(err), RetryAfter: w.gate.RetryAfter()})
	case job.CodeOf(err) == job.FailedPrecondition: // the workspace has forgotten the transfer; another attempt does better
		err = job.E(job.Unavailable, "", err, job.HintOf(err))
	}
	w.report(ctx, t, err)
	return job.AsError(err)
}

// handed counts out a task that has handed its outputs over.
func (w *Worker) handed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handing--
	w.settle()
}

// bring puts the input into the workspace, until release is called at least. The parts
// of one file share it.
func (w *Worker) bring(ctx context.Context, t job.Task, file string) (release func(), err error) {
	name := job.FileOf(t.Name)
	if err := confine.CheckName(name); err != nil {
		return nil, job.E(job.InvalidArgument, "read "+job.Shown(t.Name), err, "")
	}
	in, err := t.Content.Input(ctx)
	if err != nil {
		return nil, err
	}
	if span := trace.Of(ctx); span.On() {
		span.Set(trace.Text(trace.File, name), trace.Number(trace.Bytes, in.Size))
	}
	if err := operation.CheckSize(t.Operation, name, in.Size); err != nil {
		return nil, err
	}
	fetch := func(to string) error { return w.fetch(ctx, t.Content, in.Size, to) }
	if p, isPart := job.ParsePart(t.Name); !isPart || p.Of == 1 {
		return func() {}, fetch(file)
	}
	id := workspace.Input{Job: t.Job, File: name, Size: in.Size}
	if !in.Modified.IsZero() {
		id.Modified = in.Modified.UnixMicro()
	}
	return w.cfg.Workspace.Share(ctx, id, file, fetch, signOfLife(ctx, t.Content, in.Size))
}

// signOfLife reads the next byte of an input of size bytes each time: the server takes an
// attempt whose files do not move for one that the node has forgotten.
func signOfLife(ctx context.Context, content job.Content, size int64) func() {
	var offset int64
	return func() {
		if offset >= size-1 { // the last byte asks for the sum of all
			return
		}
		if _, err := content.Read(ctx, make([]byte, 1), offset); err == nil {
			offset++
		}
	}
}

// Forget drops the inputs that were kept for a job.
func (w *Worker) Forget(id job.ID) {
	if w.cfg.Workspace != nil {
		w.cfg.Workspace.Forget(id)
	}
}

// fetch puts an input of size bytes into the workspace as file.
func (w *Worker) fetch(ctx context.Context, content job.Content, size int64, file string) (err error) {
	buffer := chunks.Get().(*[]byte)
	defer chunks.Put(buffer)
	none := sha256.Sum256(nil)
	sum := none[:]
	if err := w.cfg.Workspace.Put(file, size, 0, nil); err != nil {
		return err
	}
	for offset := int64(0); offset < size; {
		piece := (*buffer)[:min(size-offset, job.ChunkBytes)]
		if sum, err = content.Read(ctx, piece, offset); err != nil {
			return err
		}
		if err := w.cfg.Workspace.Put(file, size, offset, piece); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
	return w.cfg.Workspace.Commit(file, size, sum)
}

// handOver gives one output, which lies in dir, to the caller, and tells its size.
func (w *Worker) handOver(ctx context.Context, t job.Task, dir string, out operation.Output) (size int64, err error) {
	if err := errors.Join(confine.CheckName(out.Temp), confine.CheckName(out.Name)); err != nil {
		return 0, job.E(job.Internal, "hand "+job.Shown(out.Name)+" over", err, "")
	}
	name := path.Join(dir, out.Temp)
	if err := w.cfg.Workspace.Count(name); err != nil {
		return 0, err
	}
	file, size, err := w.cfg.Workspace.Get(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buffer := chunks.Get().(*[]byte)
	defer chunks.Put(buffer)
	sum := sha256.New()
	for p := (job.Piece{Name: out.Name, Size: size}); ; p.Offset += int64(len(p.Data)) {
		p.Data = (*buffer)[:min(size-p.Offset, job.ChunkBytes)]
		if n, err := file.ReadAt(p.Data, p.Offset); n < len(p.Data) {
			return 0, job.E(job.Unavailable, "read "+job.Shown(out.Name)+" in the workspace", err, "check the node's disk")
		}
		sum.Write(p.Data)
		if p.Last() {
			p.Sum = sum.Sum(nil)
		}
		if err := t.Content.Write(ctx, p); err != nil || p.Last() {
			return size, err
		}
	}
}

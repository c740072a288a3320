package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

// cancelTimeout bounds giving up a job whose caller is lost.
const cancelTimeout = 5 * time.Second

// SubmitRequest is the assignment's call: it runs a whole job and returns the
// elapsed seconds as text, also where some tasks failed. A caller that sends no
// spec knows no exceptions, and gets its errors as text in a Thrift one.
func (h *serviceHandler) SubmitRequest(ctx context.Context, folder string, isRandom bool, wire *spillway.JobSpec) (string, error) {
	spec := specFromWire(wire)
	named := spec.ID != ""
	if !named {
		spec.ID = job.NewID()
	}
	if folder != "" {
		spec.Source = folder
	}
	if spec.Policy == "" && (isRandom || wire == nil) {
		spec.Policy = h.service.Policy(isRandom)
	}
	ctx, span := h.span(ctx, "submit_request", spec.Trace)
	defer span.End()
	j, err := h.runToEnd(ctx, spec)
	failed(span, err)
	if err != nil && ctx.Err() != nil {
		h.callerLeft(ctx, spec.ID, named)
	}
	switch {
	case err == nil:
		return fmt.Sprintf("%.4f", j.Elapsed(time.Now()).Seconds()), nil
	case wire == nil:
		return "", told(err)
	}
	return "", failureToWire(err)
}

// runToEnd submits spec, or attaches to the job of its id, and follows it to its
// final state. The error is the job's own where it ended early.
func (h *serviceHandler) runToEnd(ctx context.Context, spec job.Spec) (job.Job, error) {
	id, err := h.service.Submit(ctx, spec)
	if err != nil {
		return job.Job{}, err
	}
	events, err := h.service.Watch(ctx, id, job.NoSteps)
	if err != nil {
		return job.Job{}, err
	}
	var last job.Job
	for e := range events {
		last = e.Job
	}
	switch {
	case last.Err != nil && last.State.Final():
		return last, last.Err
	case last.State == job.Cancelled:
		return last, job.E(job.CancelledCode, "job "+string(id), errors.New("it was cancelled"), "")
	case last.State.Final():
		return last, nil
	case ctx.Err() != nil:
		return last, job.E(job.Unavailable, "job "+string(id), context.Cause(ctx), "")
	}
	return last, job.E(job.Unavailable, "job "+string(id), errors.New("the server lost sight of it"),
		"ask for it again by its id")
}

// callerLeft decides what becomes of a job that nobody waits for any more.
func (h *serviceHandler) callerLeft(ctx context.Context, id job.ID, named bool) {
	if !errors.Is(context.Cause(ctx), mux.ErrCallerGone) {
		return
	}
	if named {
		h.log.Info("caller left, the job goes on", "job", id)
		return
	}
	h.log.Info("caller left, the job is cancelled", "job", id)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	if err := h.service.Cancel(ctx, id); err != nil && job.CodeOf(err) != job.NotFound {
		h.log.Warn("cancel failed", "job", id, "err", err)
	}
}

package scheduler

import (
	"context"
	"fmt"

	"spillway/job"
	"spillway/trace"
)

// DefaultTraceTasks is how many tasks of a job have spans where none is configured.
const DefaultTraceTasks = 1000

// maxTold is how many attempts of a task have spans: one that every node rejects for an
// hour makes thousands.
const maxTold = 64

// submitSpan begins the span of a submission, and notes in spec what the job's own spans
// are below: the submission, or the caller's where this server makes none.
func (s *Scheduler) submitSpan(ctx context.Context, spec *job.Spec) (context.Context, trace.Span) {
	if trace.Origin(ctx) == "" { // else the call's own span is below the caller's
		ctx = trace.Under(ctx, spec.Trace)
	}
	ctx, span := s.cfg.Tracer.Start(ctx, "submit", trace.Internal)
	spec.Trace = trace.Origin(ctx)
	if span.On() {
		span.Set(trace.Text(trace.JobID, string(spec.ID)))
	}
	return ctx, span
}

// jobSpan begins the span of a job that this server runs: one that is taken over has
// several. What is below it finds it in the record.
func (s *Scheduler) jobSpan(r *record) (context.Context, trace.Span) {
	ctx, span := s.cfg.Tracer.Start(trace.Under(s.life(), r.spec.Trace), "job", trace.Internal)
	r.trace = trace.Parent(ctx)
	if !span.On() {
		return ctx, span
	}
	total := r.snapshot().Total
	span.Set(
		trace.Text(trace.JobID, string(r.spec.ID)), trace.Text(trace.Operation, r.spec.Operation.String()),
		trace.Text(trace.JobPolicy, r.spec.Policy), trace.Number(trace.Tasks, total),
		trace.Number(trace.TasksTold, min(total, int64(s.cfg.TraceTasks))),
	)
	return ctx, span
}

// endJob ends the span of a job; err is why it goes on elsewhere, or later.
func endJob(span trace.Span, j job.Job, err error) {
	if !span.On() {
		return
	}
	span.Set(trace.Text(trace.JobState, string(j.State)), trace.Number(trace.TasksDone, j.Done), trace.Number(trace.TasksNot, j.Failed+j.Quarantined))
	switch {
	case err != nil:
		span.Fail(string(job.Unavailable), "handed back: "+err.Error())
	case j.Err != nil:
		span.Fail(string(j.Err.Code), j.Err.Error())
	case j.State == job.Failed:
		span.Fail(string(job.FailedPrecondition), fmt.Sprintf("%d of %d tasks not done", j.Total-j.Done, j.Total))
	}
	span.End()
}

// told tells whether a task of so many has a span: all where they are few, and else every
// one so far from the last that there are most of them, the same ones each time.
func told(index, total, most int64) bool {
	if total <= most {
		return most > 0
	}
	return (index+1)*most/total != index*most/total
}

// taskSpan begins the span of a task that has one, and where this server makes none lets
// its attempts be below the caller's.
func (s *Scheduler) taskSpan(ctx context.Context, y *try, total int64) context.Context {
	if y.r.trace == "" || !told(y.t.Index, total, int64(s.cfg.TraceTasks)) {
		return ctx
	}
	ctx, y.span = s.cfg.Tracer.Start(trace.Under(ctx, y.r.trace), "task", trace.Internal)
	if y.span.On() {
		y.span.Set(trace.Text(trace.JobID, string(y.t.Job)), trace.Number(trace.TaskIndex, y.t.Index), trace.Text(trace.TaskName, y.t.Name))
	}
	return ctx
}

// endTask ends the span of a task, which has ended, or goes on elsewhere or later.
func (y *try) endTask() {
	if !y.span.On() {
		return
	}
	y.span.Set(trace.Number(trace.Attempts, int64(y.taken)))
	if made := int64(y.t.Attempt - y.first); made > maxTold {
		y.span.Set(trace.Number(trace.Untold, made-maxTold))
	}
	y.span.End()
}

// noteEnd tells the task's span how the task ended.
func (y *try) noteEnd(state job.TaskState, err *job.Error) {
	if !y.span.On() {
		return
	}
	y.span.Set(trace.Text(trace.TaskState, string(state)))
	if err != nil && state != job.TaskDone {
		y.span.Fail(string(err.Code), err.Error())
	}
}

// attemptSpan begins the span of an attempt on node i.
func (s *Scheduler) attemptSpan(ctx context.Context, y *try, i, number int) (context.Context, trace.Span) {
	if !y.span.On() || number-y.first > maxTold {
		return ctx, trace.Span{}
	}
	ctx, span := s.cfg.Tracer.Start(ctx, "attempt", trace.Client)
	if span.On() {
		span.Set(
			trace.Text(trace.RPCSystem, trace.Thrift), trace.Text(trace.RPCMethod, "ComputeNode/run"),
			trace.Text(trace.Node, string(s.fleet.ID(i))), trace.Number(trace.Attempt, int64(number)),
			trace.Text(trace.JobPolicy, y.r.spec.Policy), trace.Flag(trace.Hedge, number != y.t.Attempt),
		)
	}
	return ctx, span
}

// endAttempt ends the span of an attempt. One that is rejected, or that another was faster
// than, has not failed.
func endAttempt(span trace.Span, outcome job.AttemptOutcome, err error) {
	if !span.On() {
		return
	}
	span.Set(trace.Text(trace.Outcome, string(outcome)))
	if outcome == job.AttemptFailed || outcome == job.AttemptUnsent {
		e := job.AsError(err)
		span.Fail(string(e.Code), e.Error())
	}
	span.End()
}

// endJoin ends the span of a file that was joined.
func endJoin(span trace.Span, name string, written int64, err error) {
	if !span.On() {
		return
	}
	span.Set(trace.Text(trace.File, name), trace.Number(trace.BytesOut, written))
	if err != nil {
		span.Fail(string(job.CodeOf(err)), err.Error())
	}
	span.End()
}

package worker

import (
	"context"
	"time"

	"spillway/computenode/operation"
	"spillway/job"
	"spillway/trace"
)

// traced begins the span of a step of a task whose server traces it, and returns what ends
// it, with how the step went.
func traced(ctx context.Context, name string) (context.Context, func(error)) {
	ctx, span := trace.Child(ctx, name)
	if !span.On() {
		return ctx, untraced
	}
	return ctx, func(err error) {
		if err != nil {
			span.Fail(string(job.CodeOf(err)), err.Error())
		}
		span.End()
	}
}

func untraced(error) {}

// admitTraced is admit, with its span. A task that is turned away has not failed.
func (w *Worker) admitTraced(ctx context.Context, t job.Task, e *entry) (time.Duration, error) {
	_, span := trace.Child(ctx, "admission")
	delay, err := w.admit(t, e)
	if !span.On() {
		return delay, err
	}
	switch {
	case err == nil:
		span.Set(trace.Text(trace.Outcome, "admitted"), trace.Number(trace.Delay, delay.Milliseconds()))
	case job.CodeOf(err) == job.ResourceExhausted:
		span.Set(trace.Text(trace.Outcome, "rejected"))
	default:
		span.Fail(string(job.CodeOf(err)), err.Error())
	}
	span.End()
	return delay, err
}

// doTraced does the operation, in a span with its name and the bytes that it read and
// wrote.
func (w *Worker) doTraced(ctx context.Context, r operation.Request) (operation.Reply, error) {
	ctx, span := trace.Child(ctx, "operation")
	reply, err := w.runner.Do(ctx, r)
	if !span.On() {
		return reply, err
	}
	span.Set(
		trace.Text(trace.Operation, r.Operation.String()), trace.Text(trace.TaskName, r.Name),
		trace.Number(trace.BytesIn, reply.InBytes), trace.Number(trace.BytesOut, reply.OutBytes),
	)
	if err != nil {
		span.Fail(string(job.CodeOf(err)), err.Error())
	}
	span.End()
	return reply, err
}

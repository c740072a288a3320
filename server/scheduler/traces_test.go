package scheduler

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"spillway/job"
	"spillway/trace"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// spans is what a tracer made.
type spans struct{ *tracetest.SpanRecorder }

func traced() (*trace.Tracer, spans) {
	s := spans{tracetest.NewSpanRecorder()}
	return trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(s))), s
}

// named are those that ended with this name.
func (s spans) named(name string) (found []sdk.ReadOnlySpan) {
	for _, span := range s.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

// attr is an attribute as text; "" where there is none.
func attr(span sdk.ReadOnlySpan, key string) string {
	for _, a := range span.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// below checks that one span is the child of another.
func below(t *testing.T, parent, child sdk.ReadOnlySpan) {
	t.Helper()
	require.Equal(t, parent.SpanContext().SpanID(), child.Parent().SpanID())
	require.Equal(t, parent.SpanContext().TraceID(), child.SpanContext().TraceID())
}

func TestScheduler_OneTraceFromSubmissionToAttempt(t *testing.T) {
	tracer, s := traced()
	inBubble(t, Config{Tracer: tracer}, []node{takes(time.Millisecond), rejects}, func(t *testing.T, r *rig) {
		j := r.run(20, job.Spec{Trace: someParent})
		require.Equal(t, job.Succeeded, j.State)
		require.Equal(t, someTrace, trace.ID(j.Spec.Trace), "who asks for the job hears of its trace")
	})
	require.Len(t, s.Ended(), len(s.Started()), "what begins ends")
	submit, run := s.named("submit")[0], s.named("job")[0]
	require.Equal(t, "00f067aa0ba902b7", submit.Parent().SpanID().String())
	below(t, submit, run)
	require.Equal(t, "succeeded", attr(run, trace.JobState))
	tasks, byID := s.named("task"), map[string]sdk.ReadOnlySpan{}
	require.Len(t, tasks, 20)
	for _, span := range tasks {
		below(t, run, span)
		require.Equal(t, "done", attr(span, trace.TaskState))
		byID[span.SpanContext().SpanID().String()] = span
	}
	outcomes := map[string]int{}
	for _, span := range s.named("attempt") {
		below(t, byID[span.Parent().SpanID().String()], span)
		outcomes[attr(span, trace.Outcome)]++
		require.Empty(t, attr(span, trace.ErrorType), "a rejection is no failure")
		require.Equal(t, "balance", attr(span, trace.JobPolicy))
		require.Equal(t, "false", attr(span, trace.Hedge))
	}
	require.Equal(t, 20, outcomes["done"])
	require.Positive(t, outcomes["rejected"])
}

func TestScheduler_SpansTellWhatFailed(t *testing.T) {
	tracer, s := traced()
	inBubble(t, Config{Tracer: tracer}, []node{fails(job.DataLoss)}, func(_ *testing.T, r *rig) { r.run(1, job.Spec{}) })
	for _, name := range []string{"attempt", "task"} {
		require.Equal(t, string(job.DataLoss), attr(s.named(name)[0], trace.ErrorType), name)
	}
	require.Equal(t, "failed", attr(s.named("task")[0], trace.TaskState))
	require.Equal(t, string(job.FailedPrecondition), attr(s.named("job")[0], trace.ErrorType))
}

func TestScheduler_OfManyTasksSomeAreTraced(t *testing.T) {
	tracer, s := traced()
	var mu sync.Mutex
	sent := 0
	answer := func(ctx context.Context, _ job.Task) (job.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if trace.Parent(ctx) != "" {
			sent++
		}
		return job.Result{}, nil
	}
	inBubble(t, Config{Tracer: tracer, TraceTasks: 10}, []node{answer}, func(_ *testing.T, r *rig) { r.run(333, job.Spec{}) })
	require.Len(t, s.named("task"), 10)
	require.Len(t, s.named("attempt"), 10)
	require.Equal(t, 10, sent, "nodes hear of these alone")
}

func TestTold_IsSpreadEvenlyAndExact(t *testing.T) {
	for _, total := range []int64{1, 999, 1000, 1001, 1999, 1_000_000} {
		n, last, gap := int64(0), int64(-1), int64(0)
		for i := range total {
			if told(i, total, 1000) {
				n++
				gap, last = max(gap, i-last), i
			}
		}
		require.Equal(t, min(total, 1000), n)
		require.LessOrEqual(t, gap, total/1000+1)
	}
	require.False(t, told(0, 10, 0))
}

func TestScheduler_AttemptsWithSpansAreBounded(t *testing.T) {
	tracer, s := traced()
	many := make([]node, 0, 201)
	for range 200 {
		many = append(many, rejects)
	}
	inBubble(t, Config{Tracer: tracer, Stall: -1}, []node{answers(append(many, good)...)}, func(_ *testing.T, r *rig) { r.run(1, job.Spec{}) })
	require.Len(t, s.named("attempt"), maxTold)
	require.Equal(t, "137", attr(s.named("task")[0], trace.Untold))
}

func TestScheduler_HostileTracesAreIgnored(t *testing.T) {
	tracer, s := traced()
	inBubble(t, Config{Tracer: tracer}, []node{good}, func(t *testing.T, r *rig) {
		for _, text := range []string{"garbage", "00-00000000000000000000000000000000-0000000000000000-01", string(make([]byte, 1<<16))} {
			j := r.run(1, job.Spec{Trace: text})
			require.Len(t, j.Spec.Trace, 55, "a trace of the server's own")
		}
	})
	for _, span := range s.named("submit") {
		require.False(t, span.Parent().IsValid())
	}
}

func TestScheduler_WithoutTracesTheCallersGoesOn(t *testing.T) {
	heard := make(chan string, 1)
	answer := func(ctx context.Context, _ job.Task) (job.Result, error) {
		heard <- trace.Parent(ctx)
		return job.Result{}, nil
	}
	inBubble(t, Config{}, []node{answer}, func(t *testing.T, r *rig) {
		r.run(1, job.Spec{Trace: someParent})
		require.Equal(t, someParent, <-heard)
		j := r.run(1, job.Spec{})
		require.Empty(t, <-heard)
		require.Empty(t, j.Spec.Trace)
	})
}

func TestScheduler_WhatIsNotRecordedIsNotRecordedLater(t *testing.T) {
	tracer, s := traced()
	inBubble(t, Config{Tracer: tracer}, []node{good}, func(t *testing.T, r *rig) {
		r.run(1, job.Spec{Trace: someParent[:53] + "00"})
	})
	require.Empty(t, s.Started())
}

func TestScheduler_ARepeatedSubmissionOfAnotherTraceIsTheSame(t *testing.T) {
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		spec := job.Spec{ID: "a", Source: "/data", Trace: someParent}
		r.wait(r.submit(spec))
		spec.Trace = ""
		require.Equal(t, job.ID("a"), r.submit(spec))
	})
}

func TestScheduler_TracesThatAreOffAllocateNothing(t *testing.T) {
	s := &Scheduler{cfg: Config{}.withDefaults()}
	y := &try{r: &record{}}
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ctx := s.taskSpan(ctx, y, 1000)
		_, span := s.attemptSpan(ctx, y, 0, 1)
		endAttempt(span, job.AttemptFailed, nil)
		y.noteEnd(job.TaskDone, nil)
		y.endTask()
	}))
}

func TestScheduler_AfterARestartAJobGoesOnInItsTrace(t *testing.T) {
	tracer, s := traced()
	inBubble(t, Config{Tracer: tracer, Owner: "a", Window: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 5)
		id := r.submit(job.Spec{Source: "/data", Trace: someParent})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		r.stop()
		require.Equal(t, string(job.Unavailable), attr(s.named("job")[0], trace.ErrorType), "it is handed back")
		b := r.secondOf(Config{Tracer: tracer}, "a", r.store)
		events, err := b.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		for range events {
		}
	})
	jobs := s.named("job")
	require.Len(t, jobs, 2)
	for _, span := range jobs {
		below(t, s.named("submit")[0], span)
	}
	require.Equal(t, "succeeded", attr(jobs[1], trace.JobState))
	for _, span := range s.Ended() {
		require.Equal(t, someTrace, span.SpanContext().TraceID().String(), span.Name())
	}
}

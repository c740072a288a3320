package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/job"
)

// attempt is one that was sent and not answered.
type attempt struct{ cancel context.CancelCauseFunc }

// lostError is the cause with which the cluster gives an attempt up.
type lostError struct{ error }

// execute runs one attempt, which ends early when the node is lost.
func (n *node) execute(ctx context.Context, t job.Task) (job.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &attempt{cancel}
	if err := n.begin(a); err != nil {
		return job.Result{}, err
	}
	res, err := n.conn.Execute(ctx, t)
	n.end(a, err)
	if err == nil {
		res.Node = n.id
		return res, nil
	}
	if lost, ok := errors.AsType[lostError](context.Cause(ctx)); ok {
		return job.Result{}, lost.error
	}
	if errors.Is(err, job.ErrNotSent) && ctx.Err() == nil {
		select {
		case n.failed <- err:
		default:
		}
	}
	return job.Result{}, err
}

// begin counts an attempt in, unless the node is known to be lost.
func (n *node) begin(a *attempt) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed != nil {
		return job.E(job.Unavailable, string(n.id), notSentError{n.closed}, "")
	}
	if len(n.outstanding) == 0 {
		n.heard = time.Now()
	}
	n.outstanding[a] = struct{}{}
	return nil
}

// end counts an attempt out.
func (n *node) end(a *attempt, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.outstanding, a)
	if err == nil || answered(err) {
		n.heard = time.Now()
	}
}

// lose gives up every attempt that is out; mu is held.
func (n *node) lose(why string) {
	lost := lostError{job.E(job.Unavailable, string(n.id), errors.New(why), "")}
	for a := range n.outstanding {
		a.cancel(lost)
	}
}

// notSentError adds job.ErrNotSent to an error without adding words to it.
type notSentError struct{ error }

func (e notSentError) Unwrap() []error { return []error{e.error, job.ErrNotSent} }

// answered reports whether err is surely the node's own word.
func answered(err error) bool {
	switch job.CodeOf(err) {
	case job.Unavailable, job.DeadlineExceeded, job.CancelledCode:
		return false
	}
	return true
}

// quiet gives up the attempts on a node that answers probes but no attempt.
func (n *node) quiet(limit time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.outstanding) == 0 || time.Since(n.heard) < limit {
		return
	}
	n.log.Warn("node answers no attempt, its tasks go elsewhere", "outstanding", len(n.outstanding), "took", time.Since(n.heard))
	n.lose(fmt.Sprintf("it answered no attempt for %v", limit))
	n.heard = time.Now()
}

// close gives up every attempt, and takes none until the node answers again; mu
// is held.
func (n *node) close(why string) {
	n.lose(why)
	n.closed = errors.New(why)
}

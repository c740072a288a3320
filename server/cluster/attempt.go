package cluster

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"spillway/job"
)

// attempt is one that was sent and not answered.
type attempt struct {
	sent   time.Time
	cancel context.CancelCauseFunc
	moved  time.Time // when its files last moved; guarded by the node's mutex
}

// watched is the files of an attempt; that they move is a sign of life. It is used by
// one goroutine at a time.
type watched struct {
	job.Content
	n    *node
	a    *attempt
	far  int64 // how much of the input has been read
	name string
	come int64 // how much has come of the output called name, the latest
}

// Read implements [job.Content]. What was read before shows nothing.
func (w *watched) Read(ctx context.Context, p []byte, offset int64) ([]byte, error) {
	if end := offset + int64(len(p)); end > w.far {
		w.far = end
		w.n.moved(w.a)
	}
	return w.Content.Read(ctx, p, offset)
}

// Write implements [job.Content]. Nor does what came before.
func (w *watched) Write(ctx context.Context, p job.Piece) error {
	if p.Name != w.name {
		w.name, w.come = p.Name, 0
	}
	err := w.Content.Write(ctx, p)
	if end := p.Offset + int64(len(p.Data)); err == nil && end > w.come {
		w.come = end
		w.n.moved(w.a)
	}
	return err
}

// moved notes that an attempt's files move.
func (n *node) moved(a *attempt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = time.Now()
	a.moved = n.heard
}

// lostError is the cause with which the cluster gives an attempt up.
type lostError struct{ error }

// errDraining is why a node that answers gets no attempt.
var errDraining = errors.New("the node drains")

// execute runs one attempt, which ends early when the node is lost.
func (n *node) execute(ctx context.Context, t job.Task) (job.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &attempt{sent: time.Now(), cancel: cancel}
	if err := n.begin(a); err != nil {
		return job.Result{}, err
	}
	if t.Content != nil {
		t.Content = &watched{Content: t.Content, n: n, a: a}
	}
	res, err := n.conn.Execute(ctx, t)
	n.end(a, err)
	if e := job.AsError(err); err == nil && res.Load.Draining || err != nil && e.Load != nil && e.Load.Draining {
		n.change(func() { n.load.Draining = true })
	}
	if err == nil {
		res.Node = n.id
		return res, nil
	}
	if lost, ok := errors.AsType[lostError](context.Cause(ctx)); ok {
		return job.Result{}, lost.error
	}
	if refused(err) {
		select {
		case n.failed <- err:
		default:
		}
	}
	return job.Result{}, err
}

// refused reports whether nobody listens at the node's address.
func refused(err error) bool {
	return errors.Is(err, job.ErrNotSent) && errors.Is(err, syscall.ECONNREFUSED)
}

// begin counts an attempt in, unless the node is known to be lost.
func (n *node) begin(a *attempt) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	why := n.closed
	if why == nil && n.draining() {
		why = errDraining
	}
	if why != nil {
		return job.E(job.Unavailable, string(n.id), job.NotSent(why), "")
	}
	if len(n.outstanding) == 0 {
		n.heard = a.sent
	}
	n.outstanding[a] = struct{}{}
	return nil
}

// end counts an attempt out.
func (n *node) end(a *attempt, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.outstanding, a)
	if n.leaving && len(n.outstanding) == 0 {
		n.look()
	}
	if err == nil || answered(err) {
		n.heard = time.Now()
	}
	if err == nil && a.sent.After(n.newest) {
		n.newest = a.sent
	}
}

// answered reports whether err is surely the node's own word.
func answered(err error) bool {
	switch job.CodeOf(err) {
	case job.Unavailable, job.DeadlineExceeded, job.CancelledCode:
		return false
	}
	return true
}

// quiet gives up attempts on a node that answers probes: every one, where it has
// answered none for so long; and those that one sent so much later has overtaken,
// since tasks do not wait that much longer than others.
func (n *node) quiet(limit time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	mute := time.Since(n.heard) >= limit
	lost := 0
	for a := range n.outstanding {
		if mute || n.newest.Sub(a.sent) > limit && time.Since(a.moved) > limit {
			lost++
			a.cancel(lostError{job.E(job.Unavailable, string(n.id), fmt.Errorf("it did not answer the attempt for %v", limit),
				"if tasks may take so long, raise the server's --attempt-timeout")})
		}
	}
	if lost > 0 {
		n.heard = time.Now()
		n.log.Warn("node does not answer attempts, they go elsewhere", "lost", lost, "outstanding", len(n.outstanding))
	}
}

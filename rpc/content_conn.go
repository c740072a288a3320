package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// A call for the next wish that fails is made again after contentPause, a little
// longer each time, and contentTries times in all.
const (
	contentTries = 6
	contentPause = 50 * time.Millisecond
)

// chunks are buffers of [job.ChunkBytes].
var chunks = sync.Pool{New: func() any { b := make([]byte, job.ChunkBytes); return &b }}

// maxBlind bounds the markers that are remembered.
const maxBlind = 4096

// blind remembers for which markers the node needs content.
type blind struct {
	mu      sync.Mutex // guards markers
	markers map[string]struct{}
}

func (b *blind) has(marker string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.markers[marker]
	return known
}

func (b *blind) add(marker string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.markers == nil || len(b.markers) >= maxBlind {
		b.markers = map[string]struct{}{}
	}
	b.markers[marker] = struct{}{}
}

// sharing remembers the jobs of whose files the node may keep one.
type sharing struct {
	mu   sync.Mutex // guards jobs
	jobs map[job.ID]struct{}
}

func (c *sharing) add(t job.Task) {
	if _, isPart := job.ParsePart(t.Name); !isPart {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == nil {
		c.jobs = map[job.ID]struct{}{}
	}
	c.jobs[t.Job] = struct{}{}
}

// remove tells whether the job was there.
func (c *sharing) remove(id job.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.jobs[id]
	delete(c.jobs, id)
	return known
}

// forgetTimeout bounds the call that a job has ended: the node finds out by itself, too.
const forgetTimeout = 2 * time.Second

// Forget tells the node that a job has ended, if it may keep a file of it. Errors are
// those of Probe; then the node drops the file some time later.
func (n *NodeConn) Forget(ctx context.Context, id job.ID) error {
	if !n.shared.remove(id) {
		return nil
	}
	ctx, cancel := withDefaultTimeout(ctx, forgetTimeout)
	defer cancel()
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) error { return c.ForgetJob(ctx, string(id)) })
	if err == nil || unknownMethod(err) {
		return nil
	}
	return n.translate(ctx, "forget_job", err)
}

// executeWithContent does one attempt on a node that does not see the job's folder.
// When it returns, nobody uses the content any more.
func (n *NodeConn) executeWithContent(ctx context.Context, t job.Task) (job.Result, error) {
	in, err := t.Content.Input(ctx)
	if err != nil {
		return job.Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.shared.add(t)
	s := &contentServer{n: n, id: rand.Text(), content: t.Content, size: in.Size}
	w := taskToWire(ctx, t, time.Now())
	w.Content, w.InputBytes, w.InputModifiedUs, w.Marker = &s.id, &in.Size, known(toMicros(in.Modified)), nil
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel() // it ends by itself only where there is no way to the node
		s.serve(ctx)
	})
	var reply *spillway.TaskReply
	err = n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		reply, err = c.Run(ctx, w)
		return err
	})
	err = n.translate(ctx, "run", err) // by whether its ctx still lives
	cancel()
	wg.Wait()
	switch {
	case s.err != nil:
		return job.Result{}, s.err
	case err != nil:
		return job.Result{}, err
	}
	slices.Sort(s.received)
	if claimed := slices.Sorted(slices.Values(reply.Outputs)); !slices.Equal(claimed, s.received) {
		return job.Result{}, job.E(job.Unavailable, "node "+n.addr,
			fmt.Errorf("it says that it handed %d outputs over, and %d came whole", len(claimed), len(s.received)), "")
	}
	return resultFromWire(reply), nil
}

// contentServer grants the wishes of one attempt.
type contentServer struct {
	n       *NodeConn
	id      string
	content job.Content
	size    int64

	buffer   *[]byte  // nil but while it holds an answer: many attempts only wait
	received []string // outputs that came whole
	err      error    // the first wish that could not be granted, or why there is no way to the node
}

// serve grants wishes until ctx ends.
func (s *contentServer) serve(ctx context.Context) {
	defer s.free()
	defer func() {
		if v := recover(); v != nil { // it costs this attempt only
			s.fail(job.E(job.Internal, "content", fmt.Errorf("a fault of the server's own: %v", v), "report it with the server's log"))
		}
	}()
	answer, failures, idle := &spillway.ContentAnswer{}, 0, 0
	for {
		var wish *spillway.ContentWish
		err := s.n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
			wish, err = c.ServeContent(ctx, s.id, answer)
			return err
		})
		if err == nil {
			s.free()
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if failures++; failures == contentTries {
				// It says nothing of the task, and the node may have taken the attempt.
				s.fail(job.E(job.Unavailable, "node "+s.n.addr, errors.New("its wishes cannot be heard: "+s.n.translate(ctx, "serve_content", err).Error()), ""))
				return
			}
			pause(ctx, contentPause*time.Duration(failures))
		case wish.Number == 0:
			if failures, idle = 0, idle+1; idle > 1 { // the first is the end of a file
				pause(ctx, contentPause)
			}
			answer = &spillway.ContentAnswer{}
		default:
			failures, idle = 0, 0
			answer = s.grant(ctx, wish)
		}
	}
}

// free gives the buffer back, once what it holds has been answered.
func (s *contentServer) free() {
	if s.buffer != nil {
		chunks.Put(s.buffer)
		s.buffer = nil
	}
}

// fail keeps the first reason.
func (s *contentServer) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// grant does what the node asks for, as far as it may ask.
func (s *contentServer) grant(ctx context.Context, w *spillway.ContentWish) *spillway.ContentAnswer {
	answer := &spillway.ContentAnswer{Number: w.Number}
	var err error
	switch {
	case w.Output != "":
		p := job.Piece{Name: w.Output, Size: w.GetSize(), Offset: w.Offset, Data: w.Data, Sum: w.Sha256}
		if err = s.content.Write(ctx, p); err == nil && p.Last() && !slices.Contains(s.received, p.Name) {
			s.received = append(s.received, p.Name)
		}
	case w.Length <= 0 || w.Length > job.ChunkBytes || w.Offset < 0 || w.Offset > s.size-w.Length:
		err = job.E(job.Unavailable, "node "+s.n.addr,
			fmt.Errorf("it asks for %d bytes at %d of an input of %d", w.Length, w.Offset, s.size), "")
	default:
		s.buffer = chunks.Get().(*[]byte)
		answer.Data = (*s.buffer)[:w.Length]
		answer.Sha256, err = s.content.Read(ctx, answer.Data, w.Offset)
	}
	if err != nil && ctx.Err() == nil {
		s.fail(err)
		return &spillway.ContentAnswer{Number: w.Number, Failure: failureToWire(err)}
	}
	return answer
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// needsContent tells that the node answered so.
func needsContent(err error) bool {
	_, ok := errors.AsType[*spillway.NeedsContent](err)
	return ok
}

// cannotSee is the error of a node that needs content where there is none.
func (n *NodeConn) cannotSee(err error) error {
	why := "it does not see the job's folder"
	if x, ok := errors.AsType[*spillway.NeedsContent](err); ok && x.Reason != "" {
		why = clean(x.Reason)
	}
	return job.E(job.FailedPrecondition, "node "+n.addr, fmt.Errorf("%s: %w", why, job.ErrNeedsContent), "send the task with its content")
}

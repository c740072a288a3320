package rpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// parcel is content in memory.
type parcel struct {
	in     []byte
	refuse error // of Read and Write

	mu    sync.Mutex
	out   map[string][]byte
	calls int
}

func (p *parcel) Input(context.Context) (job.InputInfo, error) {
	return job.InputInfo{Size: int64(len(p.in))}, nil
}

func (p *parcel) Read(_ context.Context, b []byte, offset int64) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.refuse != nil {
		return nil, p.refuse
	}
	n := copy(b, p.in[offset:])
	if offset+int64(n) < int64(len(p.in)) {
		return nil, nil
	}
	return hashOf(p.in), nil
}

func (p *parcel) Write(_ context.Context, in job.Piece) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(in.Check(), p.refuse); err != nil {
		return job.AsError(err)
	}
	if p.out == nil {
		p.out = map[string][]byte{}
	}
	p.out[in.Name] = append(p.out[in.Name][:in.Offset], in.Data...)
	if in.Last() && !bytes.Equal(in.Sum, hashOf(p.out[in.Name])) {
		return job.E(job.Unavailable, "", errors.New("another SHA-256"), "")
	}
	return nil
}

func hashOf(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

// noise is n bytes that are never the same.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// reverses is a node that sees nothing, and hands each input over backwards.
func reverses(ctx context.Context, t job.Task) (job.Result, error) {
	if t.Content == nil {
		return job.Result{}, job.E(job.FailedPrecondition, "open", job.ErrNeedsContent, "")
	}
	in, err := t.Content.Input(ctx)
	if err != nil {
		return job.Result{}, err
	}
	size := in.Size
	data, sum := make([]byte, size), hashOf(nil)
	for at := int64(0); at < size; at += job.ChunkBytes {
		if sum, err = t.Content.Read(ctx, data[at:min(size, at+job.ChunkBytes)], at); err != nil {
			return job.Result{}, err
		}
	}
	if !bytes.Equal(sum, hashOf(data)) {
		return job.Result{}, job.E(job.Unavailable, "", errors.New("another SHA-256 came"), "")
	}
	return job.Result{Outputs: []string{t.Name}}, handOver(ctx, t, backwards(data))
}

func handOver(ctx context.Context, t job.Task, data []byte) error {
	p := job.Piece{Name: t.Name, Size: int64(len(data))}
	for {
		p.Data = data[p.Offset:min(p.Size, p.Offset+job.ChunkBytes)]
		if p.Last() {
			p.Sum = hashOf(data)
		}
		if err := t.Content.Write(ctx, p); err != nil || p.Last() {
			return err
		}
		p.Offset += int64(len(p.Data))
	}
}

func backwards(data []byte) []byte {
	out := make([]byte, len(data))
	for i, b := range data {
		out[len(data)-1-i] = b
	}
	return out
}

// carried is aTask with content.
func carried(p *parcel) job.Task {
	t := aTask
	t.Marker, t.Content = "marker", p
	return t
}

func TestContent_TravelsThereAndBackWhole(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{execute: reverses}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		for _, size := range []int{0, 1, 1000, job.ChunkBytes - 1, job.ChunkBytes, job.ChunkBytes + 1, 3*job.ChunkBytes + 7} {
			p := &parcel{in: noise(size)}
			res, err := n.Execute(t.Context(), carried(p))
			require.NoError(t, err, size)
			require.Equal(t, []string{aTask.Name}, res.Outputs)
			require.True(t, bytes.Equal(backwards(p.in), p.out[aTask.Name]), size)
		}
	})
}

func TestContent_OnlyTheFirstTaskOfAMarkerCostsASecondCall(t *testing.T) {
	var blind atomic.Int64
	node := fakeNode{execute: func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Content == nil {
			blind.Add(1)
			if t.Marker == "" {
				return job.Result{}, nil
			}
		}
		return reverses(ctx, t)
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		for range 5 {
			_, err := n.Execute(t.Context(), carried(&parcel{in: []byte("x")}))
			require.NoError(t, err)
		}
		require.Equal(t, int64(1), blind.Load())
		other := carried(&parcel{in: []byte("x")})
		other.Marker = "another job's"
		_, err := n.Execute(t.Context(), other)
		require.NoError(t, err)
		require.Equal(t, int64(2), blind.Load())

		without := aTask
		without.Marker = "marker"
		_, err = n.Execute(t.Context(), without)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.ErrorIs(t, err, job.ErrNeedsContent)
		_, err = n.Execute(t.Context(), aTask)
		require.NoError(t, err, "a task without a marker works as ever")
	})
}

func TestContent_RejectedTaskCostsNoBytes(t *testing.T) {
	node := fakeNode{execute: func(_ context.Context, t job.Task) (job.Result, error) {
		if t.Content == nil {
			return reverses(context.Background(), t)
		}
		return job.Result{}, job.E(job.ResourceExhausted, "", errors.New("busy"), "")
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		p := &parcel{in: noise(1000)}
		_, err := n.Execute(t.Context(), carried(p))
		require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
		require.Zero(t, p.calls)
	})
}

func TestContent_WhatTheCallerCannotGiveIsItsOwnWord(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{execute: reverses}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		gone := job.E(job.NotFound, "read input_dir/a.jpg", errors.New("no such file"), "put it back")
		_, err := n.Execute(t.Context(), carried(&parcel{in: noise(10), refuse: gone}))
		require.ErrorIs(t, err, gone)
	})
}

func TestContent_CancelledAttemptEndsAndTouchesItNoMore(t *testing.T) {
	started := make(chan struct{})
	node := fakeNode{execute: func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Content == nil {
			return reverses(ctx, t)
		}
		close(started)
		<-ctx.Done()
		_, err := t.Content.Read(ctx, make([]byte, 1), 0)
		return job.Result{}, err
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		_, err := n.Execute(ctx, carried(&parcel{in: noise(10)}))
		require.Equal(t, job.CancelledCode, job.CodeOf(err))
	})
}

// A node that lies about what it hands over, or asks for what it may not have,
// fails its own attempt and nothing else.
func TestContent_LyingNodesLoseTheirAttempt(t *testing.T) {
	with := func(lie func(context.Context, job.Task) (job.Result, error)) fakeNode {
		return fakeNode{execute: func(ctx context.Context, t job.Task) (job.Result, error) {
			if t.Content == nil {
				return reverses(ctx, t)
			}
			return lie(ctx, t)
		}}
	}
	write := func(p job.Piece) func(context.Context, job.Task) (job.Result, error) {
		return func(ctx context.Context, t job.Task) (job.Result, error) {
			p.Name = t.Name
			_ = t.Content.Write(ctx, p) // and says that all is well
			return job.Result{Outputs: []string{t.Name}}, nil
		}
	}
	lies := map[string]fakeNode{
		"another hash":      with(write(job.Piece{Size: 1, Data: []byte("x"), Sum: hashOf([]byte("y"))})),
		"no hash":           with(write(job.Piece{Size: 1, Data: []byte("x")})),
		"half of it":        with(write(job.Piece{Size: 2, Data: []byte("x")})),
		"more than it is":   with(write(job.Piece{Size: 1, Data: []byte("xy"), Sum: hashOf([]byte("xy"))})),
		"a negative length": with(write(job.Piece{Size: -5, Data: []byte("xy"), Sum: hashOf([]byte("xy"))})),
		"nothing": with(func(_ context.Context, t job.Task) (job.Result, error) {
			return job.Result{Outputs: []string{t.Name}}, nil
		}),
		"more than it tells": with(func(ctx context.Context, t job.Task) (job.Result, error) {
			return job.Result{}, handOver(ctx, t, []byte("x"))
		}),
		"reads too far": with(func(ctx context.Context, t job.Task) (job.Result, error) {
			_, _ = t.Content.Read(ctx, make([]byte, 5), 8)
			return job.Result{}, nil
		}),
		"reads too much": with(func(ctx context.Context, t job.Task) (job.Result, error) {
			_, _ = t.Content.Read(ctx, make([]byte, job.ChunkBytes+1), 0)
			return job.Result{}, nil
		}),
		"reads before it": with(func(ctx context.Context, t job.Task) (job.Result, error) {
			_, _ = t.Content.Read(ctx, make([]byte, 1), -1)
			return job.Result{}, nil
		}),
	}
	for name, node := range lies {
		t.Run(name, func(t *testing.T) {
			overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
				n := pipeConn(t, l)
				defer n.Close()
				_, err := n.Execute(t.Context(), carried(&parcel{in: noise(10)}))
				require.Error(t, err)
				require.NotEqual(t, job.CancelledCode, job.CodeOf(err))
			})
		})
	}
}

// answerWith runs an errand whose worker reads n bytes, and answers its first wish.
func answerWith(t *testing.T, size int64, answer spillway.ContentAnswer) error {
	t.Helper()
	id := "word"
	e := newErrand(&spillway.Task{Content: &id, InputBytes: &size})
	got := make(chan error, 1)
	go func() { _, err := e.Read(t.Context(), make([]byte, 4), 0); got <- err }()
	wish := e.serve(t.Context(), &spillway.ContentAnswer{})
	require.Equal(t, int64(1), wish.Number)
	answer.Number = wish.Number
	go e.serve(t.Context(), &answer)
	err := <-got
	e.end()
	return err
}

func TestContent_LyingServersAreNotBelieved(t *testing.T) {
	require.NoError(t, answerWith(t, 4, spillway.ContentAnswer{Data: []byte("abcd"), Sha256: hashOf([]byte("abcd"))}))
	require.NoError(t, answerWith(t, 9, spillway.ContentAnswer{Data: []byte("abcd")}))
	for name, a := range map[string]spillway.ContentAnswer{
		"too little":     {Data: []byte("abc"), Sha256: hashOf(nil)},
		"too much":       {Data: []byte("abcde"), Sha256: hashOf(nil)},
		"no hash":        {Data: []byte("abcd")},
		"half a hash":    {Data: []byte("abcd"), Sha256: []byte("abcd")},
		"nothing at all": {},
	} {
		require.Equal(t, job.Unavailable, job.CodeOf(answerWith(t, 4, a)), name)
	}
	require.Equal(t, job.Unavailable, job.CodeOf(answerWith(t, 9, spillway.ContentAnswer{Data: []byte("abcd"), Sha256: hashOf(nil)})), "a hash too early")
}

func TestContent_ARepeatedAnswerGetsTheSameWishAgain(t *testing.T) {
	size, id := int64(8), "word"
	e := newErrand(&spillway.Task{Content: &id, InputBytes: &size})
	done := make(chan string, 1)
	go func() {
		all := make([]byte, 8)
		_, _ = e.Read(t.Context(), all[:4], 0)
		_, _ = e.Read(t.Context(), all[4:], 4)
		done <- string(all)
	}()
	require.Equal(t, int64(1), e.serve(t.Context(), &spillway.ContentAnswer{}).Number)
	require.Equal(t, int64(1), e.serve(t.Context(), nil).Number, "nobody answered yet")
	first := &spillway.ContentAnswer{Number: 1, Data: []byte("abcd")}
	require.Equal(t, int64(2), e.serve(t.Context(), first).Number)
	require.Equal(t, int64(2), e.serve(t.Context(), first).Number, "the answer was lost on its way")
	last := &spillway.ContentAnswer{Number: 2, Data: []byte("efgh"), Sha256: hashOf(nil)}
	require.Zero(t, e.serve(t.Context(), last).Number, "nothing is about to come")
	require.Equal(t, "abcdefgh", <-done)
	e.end()
	require.Zero(t, e.serve(t.Context(), last).Number, "nor afterwards")
}

func TestContent_StrangersFindNothing(t *testing.T) {
	known := newErrands()
	size, id := int64(1), "word"
	remove, err := known.add(newErrand(&spillway.Task{Content: &id, InputBytes: &size}))
	require.NoError(t, err)
	_, err = known.add(newErrand(&spillway.Task{Content: &id, InputBytes: &size}))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err), "a word is used once")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = known.find(ctx, "another")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	remove()
	_, err = known.find(ctx, id)
	require.Equal(t, job.NotFound, job.CodeOf(err))
	for _, bad := range []spillway.Task{{Content: new(string)}, {Content: &id, InputBytes: func() *int64 { n := int64(-1); return &n }()}} {
		_, err = known.add(newErrand(&bad))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
}

// Connections that break in the midst of a transfer cost nothing but a repetition.
func TestContent_GoesOnWhenTheBulkLaneBreaks(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{execute: reverses}, quietLog())
	var mu sync.Mutex
	var conns []net.Conn
	n := connect(t, addr, NodeConnConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, nc)
		return nc, err
	}})
	_, err := n.Execute(soon(t), carried(&parcel{in: noise(10)}))
	require.NoError(t, err)
	p := &breaking{parcel: parcel{in: noise(6*job.ChunkBytes + 1)}}
	p.onRead = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range conns[1:] { // the first carries run
			nc.Close()
		}
		conns = conns[:1]
	}
	task := carried(&p.parcel)
	task.Content = p
	_, err = n.Execute(soon(t), task)
	require.NoError(t, err)
	require.True(t, bytes.Equal(backwards(p.in), p.out[aTask.Name]))
	require.Positive(t, p.broken, fmt.Sprint("connections: ", len(conns)))
}

// breaking does something while the third piece is read.
type breaking struct {
	parcel
	onRead func()
	reads  int
	broken int
}

func (b *breaking) Read(ctx context.Context, p []byte, offset int64) ([]byte, error) {
	if b.reads++; b.reads == 3 {
		b.onRead()
		b.broken++
	}
	return b.parcel.Read(ctx, p, offset)
}

// Many attempts wait on a node; only those whose files move hold memory.
func TestContent_AttemptsThatWaitHoldNoBuffer(t *testing.T) {
	const attempts = 300
	var waiting sync.WaitGroup
	waiting.Add(attempts)
	release := make(chan struct{})
	node := fakeNode{execute: func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Content == nil {
			return reverses(ctx, t)
		}
		waiting.Done()
		<-release
		return reverses(ctx, t)
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	before := heap()
	var wg sync.WaitGroup
	for range attempts {
		wg.Go(func() {
			if _, err := n.Execute(soon(t), carried(&parcel{in: []byte("x")})); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	require.Less(t, heap()-before, int64(attempts*job.ChunkBytes/4))
	close(release)
	wg.Wait()
}

// heap is what lives on it.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// keeper is a node that keeps files of jobs.
type keeper struct {
	Node
	forgotten chan job.ID
}

func (k keeper) Forget(id job.ID) { k.forgotten <- id }

func TestContent_ANodeIsToldOnceThatAJobOfPartsEnded(t *testing.T) {
	part := job.Part{File: "clip.avi", Number: 1, Of: 2, Note: "-"}
	k := keeper{fakeNode{execute: reverses}, make(chan job.ID, 10)}
	addr, _ := startNode(t, ServerConfig{}, k, quietLog())
	conn := connect(t, addr, NodeConnConfig{})
	for id, name := range map[job.ID]string{"whole": "a.png", "parts": part.Name()} {
		_, err := conn.Execute(soon(t), job.Task{Job: id, Name: name, Marker: "m", Content: &parcel{in: []byte("pixels")}})
		require.NoError(t, err)
	}
	for _, id := range []job.ID{"never seen", "whole", "parts", "parts"} {
		require.NoError(t, conn.Forget(soon(t), id))
	}
	require.Equal(t, job.ID("parts"), <-k.forgotten)
	require.Empty(t, k.forgotten)

	plain, _ := startNode(t, ServerConfig{}, fakeNode{execute: reverses}, quietLog())
	conn = connect(t, plain, NodeConnConfig{})
	_, err := conn.Execute(soon(t), job.Task{Job: "j", Name: part.Name(), Marker: "m", Content: &parcel{in: []byte("pixels")}})
	require.NoError(t, err)
	require.NoError(t, conn.Forget(soon(t), "j"), "a node that keeps nothing")
}

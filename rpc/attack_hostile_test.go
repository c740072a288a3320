package rpc_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc"
	"spillway/rpc/mux"
)

const (
	// patience is how long a call to a hostile server may take.
	patience = 100 * time.Millisecond
	// noHang bounds a call that overstays its deadline.
	noHang = 10 * time.Second
	// clientLimit is the memory that attacks on twenty clients may make them take,
	// in all, whether it is given back or not.
	clientLimit = 150_000_000
)

// tongue is what a client asks in, and a hostile server answers in.
type tongue struct {
	name    string
	dialect mux.Dialect // that the client is told of; 0: it finds out
	answers wire
}

func tongues() (all []tongue) {
	for _, w := range wires {
		all = append(all, tongue{"asked for nothing, answers " + w.name, 0, w})
	}
	for d, i := range map[mux.Dialect]int{
		mux.UnframedBinary: 0, mux.UnframedCompact: 2, mux.FramedBinary: 3, mux.FramedCompact: 5,
		mux.HeaderBinary: 6, mux.HeaderCompact: 7,
	} {
		all = append(all, tongue{"asked for " + wires[i].name, d, wires[i]})
	}
	return all
}

// session is one connection to a hostile server. Each client first pings, in call
// 1; what it wants is asked in call 2.
type session struct {
	net.Conn

	w    wire
	mark byte
}

// hear waits for what the client sends next: a message, here.
func (s *session) hear() bool {
	_, err := s.Read(make([]byte, 64<<10))
	return err == nil
}

func (s *session) say(h head, body []byte) bool {
	_, err := s.Write(s.w.message(h, body))
	return err == nil
}

func (s *session) reply(method string, seq int32, body []byte) bool {
	return s.say(head{method: method, kind: thrift.REPLY, seq: seq, mark: s.mark}, body)
}

// greet answers the ping.
func (s *session) greet() bool { return s.hear() && s.reply("ping", 1, []byte{0}) }

// asked answers the ping and waits for the call.
func (s *session) asked() bool { return s.greet() && s.hear() }

// hold keeps the connection until the client closes it.
func (s *session) hold() { _, _ = io.Copy(io.Discard, s) }

// success begins the result of a call with its value of type t.
func (w wire) success(t thrift.TType) []byte {
	if w.compact {
		return []byte{compactTypes[t], 0}
	}
	return []byte{byte(t), 0, 0}
}

// long begins field id, which may be any.
func (w wire) long(t thrift.TType, id uint16) []byte {
	if w.compact {
		return binary.AppendUvarint([]byte{compactTypes[t]}, uint64(id)<<1)
	}
	return binary.BigEndian.AppendUint16([]byte{byte(t)}, id)
}

// nothing is a struct without fields.
func (wire) nothing() []byte { return []byte{0} }

// profile is an honest answer.
func (w wire) profile() []byte {
	return w.fields(&spillway.ComputeNodeProfileResult{Success: &spillway.Profile{Node: "node_0", Operations: []*spillway.OperationInfo{{Name: "edges"}}}})
}

// hostile is a server in this process, made by hand.
type hostile struct {
	addr  string
	conns atomic.Int64
}

// startHostile serves until the test ends.
func startHostile(t *testing.T, serve func(nc net.Conn)) *hostile {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hostile{addr: l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			h.conns.Add(1)
			mu.Lock()
			open[nc] = true
			mu.Unlock()
			wg.Go(func() {
				serve(nc)
				nc.Close()
				mu.Lock()
				delete(open, nc)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for nc := range open {
			nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return h
}

func (h *hostile) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", h.addr)
}

// client makes a client of the hostile server.
func (h *hostile) client(d mux.Dialect) *rpc.NodeConn {
	return rpc.NewNodeConn(h.addr, rpc.NodeConnConfig{Dial: h.dial, Dialect: d})
}

// tryProfile calls the server with little patience. It marks the test as failed
// when the call overstays its deadline by far, or has an answer that cannot be.
func tryProfile(t *testing.T, n *rpc.NodeConn, what string, fine bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := n.Profile(ctx)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil && !fine {
			t.Errorf("%s: there is no answer, and none must be seen", what)
		}
	case <-time.After(noHang):
		t.Errorf("%s: a call hangs past its deadline", what)
	}
}

// good is an honest node in this process.
func good(t *testing.T) *rpc.NodeConn {
	l, err := rpc.Listen("127.0.0.1:0", rpc.ListenOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rpc.ServeNode(ctx, l, newPlainNode(), slog.New(slog.DiscardHandler)) }()
	n := rpc.NewNodeConn(l.Addr().String(), rpc.NodeConnConfig{})
	t.Cleanup(func() {
		n.Close()
		cancel()
		require.NoError(t, <-served)
	})
	return n
}

// suffers runs f, which attacks a client of this process, and checks that calls
// to a good node go on and that little memory was taken.
func suffers(t *testing.T, good *rpc.NodeConn, f func(t *testing.T)) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f(t)
	ctx, cancel := context.WithTimeout(t.Context(), honestWithin)
	defer cancel()
	_, err := good.Execute(ctx, job.Task{Job: "j", Attempt: 1})
	require.NoError(t, err, "a call to a good node")
	runtime.ReadMemStats(&after)
	if judgeMemory {
		require.LessOrEqual(t, (after.TotalAlloc-before.TotalAlloc)/1_000_000, uint64(clientLimit/1_000_000), "memory in MB")
	}
}

package main

import (
	"encoding/json"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay passes connections on to a server, and can be cut.
type relay struct {
	addr  string
	again chan struct{} // closed when somebody connects after the cut

	mu     sync.Mutex
	conns  []net.Conn
	wasCut bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{addr: l.Addr().String(), again: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		once := sync.OnceFunc(func() { close(r.again) })
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, near, far)
			cut := r.wasCut
			r.mu.Unlock()
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				})
			}
			if cut {
				once()
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		wg.Wait()
	})
	return r
}

// cut breaks every connection; new ones are passed on.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns, r.wasCut = nil, true
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), into))
}

package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

// pipes is a listener whose connections are in memory, so that time can be that of a
// bubble.
type pipes struct{ queue chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	nc, ok := <-p.queue
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p pipes) Close() error   { close(p.queue); return nil }

// peer is the far end of a connection to an API.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// pacedAPI serves in a bubble calls that take and give bytes, and is ended by stop.
func pacedAPI(t *testing.T, requests int) (dial func() *peer, stop func()) {
	cfg := config()
	cfg.Requests = requests
	a := New(cfg)
	a.stream(huma.Operation{Method: http.MethodPost, Path: "/sink"}, anybody, func(w http.ResponseWriter, r *http.Request) error {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return unreadable("sink", err)
		}
		return write(w, n)
	})
	a.stream(huma.Operation{Method: http.MethodGet, Path: "/flood"}, anybody, func(w http.ResponseWriter, _ *http.Request) error {
		for {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	})
	a.stream(huma.Operation{Method: http.MethodPost, Path: "/think"}, anybody, func(w http.ResponseWriter, r *http.Request) error {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(time.Hour):
			return write(w, "thought")
		case <-r.Context().Done():
			return job.E(job.CancelledCode, "", r.Context().Err(), "")
		}
	})
	l := pipes{make(chan net.Conn)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()
	dial = func() *peer {
		near, far := net.Pipe()
		l.queue <- far
		t.Cleanup(func() { near.Close() })
		return &peer{t, near, bufio.NewReader(near)}
	}
	return dial, func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// send writes, and reports whether all was taken.
func (p *peer) send(format string, args ...any) bool {
	_, err := fmt.Fprintf(p.conn, format, args...)
	return err == nil
}

// drip sends a byte every so often, until the connection has ended.
func (p *peer) drip(every time.Duration) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p.send("x") {
			time.Sleep(every)
		}
	}()
	return done
}

// status is that of the next answer; 0: the connection ended without one.
func (p *peer) status() int {
	r, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.StatusCode
}

// post is the head of a call with a body of n bytes.
func post(path string, n int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, n)
}

const get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

func TestPace_ABodyThatDoesNotComeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 0)
		for _, path := range []string{"/sink", "/login"} {
			p, begun := dial(), time.Now()
			p.send("%s", post(path, 1000)+`{"user`)
			require.Equal(t, http.StatusRequestTimeout, p.status(), path)
			require.Equal(t, stalled, time.Since(begun))
		}
		stop()
	})
}

func TestPace_ABodyThatDripsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 0)
		p, begun := dial(), time.Now()
		p.send("%s", post("/sink", 1000))
		ended := p.drip(5 * time.Second)
		require.Equal(t, http.StatusRequestTimeout, p.status())
		require.LessOrEqual(t, time.Since(begun), graceTime+time.Second)
		p.conn.Close()
		<-ended
		stop()
	})
}

func TestPace_ASlowBodyThatFlowsIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 0)
		p := dial()
		const seconds = 1000
		p.send("%s", post("/sink", seconds*2*leastRate))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range seconds {
				p.send("%s", strings.Repeat("x", 2*leastRate))
				time.Sleep(time.Second)
			}
		}()
		require.Equal(t, http.StatusOK, p.status())
		<-sent
		p.send(get)
		require.Equal(t, http.StatusOK, p.status(), "the connection goes on")
		stop()
	})
}

func TestPace_AnAnswerThatNobodyReadsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 1)
		p := dial()
		p.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(stalled + time.Second)
		_, err := io.Copy(io.Discard, p.conn)
		require.NoError(t, err, "it was closed")
		q := dial()
		q.send(get)
		require.Equal(t, http.StatusOK, q.status(), "its place is free")
		stop()
	})
}

func TestPace_ACallMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 0)
		for _, body := range []string{"", "a body"} {
			p := dial()
			p.send("%s", post("/think", len(body))+body)
			require.Equal(t, http.StatusOK, p.status())
			p.send("%s", post("/think", len(body))+body)
			require.Equal(t, http.StatusOK, p.status(), "also the second of a connection")
		}
		stop()
	})
}

func TestPace_AHeadThatDoesNotComeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 0)
		p, begun := dial(), time.Now()
		ended := p.drip(time.Second)
		_, _ = io.Copy(io.Discard, p.conn)
		require.LessOrEqual(t, time.Since(begun), headerTime+time.Second)
		<-ended
		stop()
	})
}

func TestPlaces_SlowCallsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 2)
		drips, begun := []*peer{dial(), dial()}, time.Now()
		var ends []<-chan struct{}
		statuses := make(chan int, len(drips))
		for _, p := range drips {
			p.send("%s", post("/sink", 1000))
			ends = append(ends, p.drip(time.Second/2))
			go func() { statuses <- p.status() }()
		}
		synctest.Wait() // both are being answered
		q := dial()
		q.send(get)
		require.Equal(t, http.StatusServiceUnavailable, q.status(), "nobody is slow yet")
		time.Sleep(2 * time.Second)
		for range 5 {
			q.send(get)
			require.Equal(t, http.StatusOK, q.status())
		}
		require.Equal(t, http.StatusRequestTimeout, <-statuses)
		require.Less(t, time.Since(begun), 10*time.Second, "one made room")
		require.Equal(t, http.StatusRequestTimeout, <-statuses)
		for i, p := range drips {
			p.conn.Close()
			<-ends[i]
		}
		stop()
	})
}

func TestPlaces_CallsThatWorkMakeNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, stop := pacedAPI(t, 1)
		p := dial()
		p.send("%s", post("/think", 0))
		time.Sleep(time.Minute)
		q := dial()
		q.send(get)
		require.Equal(t, http.StatusServiceUnavailable, q.status())
		require.Equal(t, http.StatusOK, p.status())
		stop()
	})
}

func TestPace_Patience(t *testing.T) {
	var p pace
	require.Equal(t, stalled, p.patience())
	p.add(10*leastRate, graceTime)
	require.Equal(t, 10*time.Second, p.patience(), "what the bytes earned")
	p.add(0, 10*time.Second)
	require.Zero(t, p.patience())
	p.add(1<<40, 0)
	require.Equal(t, stalled, p.patience())
}

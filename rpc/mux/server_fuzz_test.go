package mux

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

// echoCalls are real calls of the echo service, in every dialect.
func echoCalls(f *testing.F) (all [][]byte) {
	weight := 1.5
	item := &echo.Item{
		Name: "a", Number: 5, Data: []byte("b"), Labels: map[string]string{"c": "d"},
		Notes: []string{"e", ""}, Weight: &weight, Flag: true,
	}
	for method, args := range map[string]thrift.TStruct{
		"ping": &echo.EchoPingArgs{}, "echo": &echo.EchoEchoArgs{Data: make([]byte, 5000)},
		"item": &echo.EchoItemArgs{Item: item}, "after": &echo.EchoAfterArgs{Data: []byte("f"), Ms: 1},
		"note": &echo.EchoNoteArgs{Text: "g"}, "unknown": &echo.EchoNoteArgs{Text: "h"},
	} {
		h := header{method: method, kind: thrift.CALL, seq: 7}
		if method == "note" {
			h.kind = thrift.ONEWAY
		}
		for _, d := range dialects {
			all = append(all, apacheWrites(f, d, true, h, args))
		}
		all = append(all, apacheWrites(f, UnframedBinary, false, h, args), squeezed(f, 1, h, args))
		h.marked = true
		for _, d := range []Dialect{UnframedBinary, FramedBinary} {
			o, err := encode(f.Context(), form{dialect: d}, h, args, generous)
			require.NoError(f, err)
			all = append(all, bytes.Clone(o.w))
		}
	}
	return all
}

// FuzzServer_AnyBytes: whatever a peer sends before it hangs up, the server is
// done with it soon, and no handler breaks.
func FuzzServer_AnyBytes(f *testing.F) {
	calls := echoCalls(f)
	for i, sent := range calls {
		f.Add(sent)
		f.Add(append(bytes.Clone(sent), calls[(i+5)%len(calls)]...))
		f.Add(append(bytes.Clone(sent), encodeControl(cancelMethod, 7).w...))
		f.Add(sent[:len(sent)/2])
	}
	for _, sent := range seeds(f) {
		f.Add(sent)
	}
	f.Add(encodeControl(goawayMethod, 0).w)
	noConnectivityTicker()
	handler := echo.NewEchoProcessor(fakeEcho{
		after: func(_ context.Context, data []byte, _ int64) ([]byte, error) { return data, nil },
	})
	cfg := ServerConfig{Requests: Limits{Bytes: 1 << 20, Elements: 1 << 10}, MaxCalls: 4}
	f.Fuzz(func(t *testing.T, sent []byte) {
		log := &logText{}
		s := NewServer(cfg, handler, slog.New(slog.NewTextHandler(log, nil)))
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		defer s.workers.stop()
		s.admit(t.Context(), far)
		_, _ = near.Write(sent) // which the server may not want to read
		near.Close()
		done := make(chan struct{})
		go func() {
			s.wg.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			require.FailNow(t, "the server is not done with a peer that is gone")
		}
		require.NotContains(t, log.String(), "panicked")
	})
}

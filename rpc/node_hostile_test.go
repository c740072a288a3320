package rpc

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// peer is a server made by hand: one function a connection.
func peer(t *testing.T, serve func(n int, nc net.Conn)) (addr string) {
	l := loopback(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				serve(n, nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// reply is an answer as it looks on the wire.
func reply(t *testing.T, method string, kind thrift.TMessageType, seq int32, body thrift.TStruct) []byte {
	var buf bytes.Buffer
	p := protocolOver(&buf, nodeReplyLimits)
	require.NoError(t, p.WriteMessageBegin(t.Context(), method, kind, seq))
	require.NoError(t, body.Write(t.Context(), p))
	return buf.Bytes()
}

func readCall(nc net.Conn) (header, error) {
	in := scanner{r: newReader(nc), lim: requestLimits}
	h, err := in.begin()
	if err != nil {
		return h, err
	}
	return h, in.body()
}

func TestNodeConn_SurvivesHostilePeers(t *testing.T) {
	good, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	done := &spillway.ComputeNodeRunResult{Success: resultToWire(job.Result{Node: "n"})}
	whole := reply(t, "run", thrift.REPLY, 1, done)
	for name, row := range map[string]struct {
		sends []byte
		holds bool // and keeps the connection open
		code  job.Code
		says  string
	}{
		"never answers":      {nil, true, job.DeadlineExceeded, "run: "},
		"closes at once":     {nil, false, job.Unavailable, "closed before the answer"},
		"closes in mid-head": {whole[:7], false, job.Unavailable, "unexpected EOF"},
		"closes in mid-body": {whole[:len(whole)-3], false, job.Unavailable, "unexpected EOF"},
		"stops in mid-body":  {whole[:len(whole)-3], true, job.DeadlineExceeded, "run: "},
		"random bytes":       {[]byte{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5}, true, job.Unavailable, "not a message"},
		"HTTP":               {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true, job.Unavailable, "not a message"},
		"huge string": {
			append([]byte{0x80, 1, 0, 2, 0, 0, 0, 3, 'r', 'u', 'n', 0, 0, 0, 1, 11, 0, 0}, 0x7f, 0xff, 0xff, 0xff),
			true, job.Unavailable, "too large",
		},
		"huge list": {
			append([]byte{0x80, 1, 0, 2, 0, 0, 0, 3, 'r', 'u', 'n', 0, 0, 0, 1, 15, 0, 0, 12}, 0x7f, 0xff, 0xff, 0xff),
			true, job.Unavailable, "too large",
		},
		"wrong method":   {reply(t, "probe", thrift.REPLY, 1, done), true, job.Unavailable, `it is for "probe"`},
		"wrong sequence": {reply(t, "run", thrift.REPLY, 77, done), true, job.Unavailable, "it is for call 77, not 1"},
		"a call":         {reply(t, "run", thrift.CALL, 1, done), true, job.Unavailable, "it is no reply"},
		"short answer":   {reply(t, "run", thrift.REPLY, 1, &spillway.ComputeNodeRunResult{}), true, job.Unavailable, "unknown result"},
		"wrong fields": {
			reply(t, "run", thrift.REPLY, 1, &spillway.ComputeNodePingResult{}), true,
			job.Unavailable, "unknown result",
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr := peer(t, func(_ int, nc net.Conn) {
				if _, err := readCall(nc); err != nil {
					return
				}
				nc.Write(row.sends)
				if row.holds {
					io.Copy(io.Discard, nc)
				}
			})
			n := connect(t, addr, NodeConnConfig{})
			defer n.Close()
			limit := 10 * time.Second
			if row.code == job.DeadlineExceeded {
				limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := n.Execute(ctx, aTask)
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "node "+addr)
			require.ErrorContains(t, err, row.says)
			require.NotErrorIs(t, err, job.ErrNotSent)
			_, err = connect(t, good, NodeConnConfig{}).Execute(soon(t), aTask)
			require.NoError(t, err)
		})
	}
}

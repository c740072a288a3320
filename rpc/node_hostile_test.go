package rpc

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

var aRunResult = &spillway.ComputeNodeRunResult{Success: resultToWire(job.Result{Node: "n"})}

func TestNodeConn_SurvivesHostilePeers(t *testing.T) {
	good, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	const runSeq = 2 // after the hello
	whole := bytesOf(t, "run", thrift.REPLY, runSeq, aRunResult)
	huge := func(kind thrift.TType, more ...byte) []byte {
		head := []byte{0x80, 1, 0, 2, 0, 0, 0, 3, 'r', 'u', 'n', 0, 0, 0, runSeq, byte(kind), 0, 0}
		return append(append(head, more...), 0x7f, 0xff, 0xff, 0xff)
	}
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
		"random bytes":       {[]byte{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5}, true, job.Unavailable, "not a Thrift message"},
		"HTTP":               {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true, job.Unavailable, "an HTTP answer"},
		"huge string":        {huge(thrift.STRING), true, job.Unavailable, "too large"},
		"huge list":          {huge(thrift.LIST, byte(thrift.STRUCT)), true, job.Unavailable, "too large"},
		"wrong method":       {bytesOf(t, "probe", thrift.REPLY, runSeq, aRunResult), true, job.Unavailable, `it is for "probe"`},
		"wrong sequence":     {bytesOf(t, "run", thrift.REPLY, 77, aRunResult), true, job.Unavailable, "it is for call 77"},
		"a call":             {bytesOf(t, "run", thrift.CALL, runSeq, aRunResult), true, job.Unavailable, "is no answer"},
		"short answer": {
			bytesOf(t, "run", thrift.REPLY, runSeq, &spillway.ComputeNodeRunResult{}), true,
			job.Unavailable, "unknown result",
		},
		"wrong fields": {
			bytesOf(t, "run", thrift.REPLY, runSeq, &spillway.ComputeNodeExecuteResult{Success: new(string)}), true,
			job.Unavailable, "unknown result",
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr := peer(t, func(nc net.Conn, w wire) {
				if w.hello() != nil {
					return
				}
				if _, _, _, err := w.message(); err != nil {
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
				limit = 100 * time.Millisecond
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

func TestNodeConn_PeerThatDoesNotSayHelloHasNotGotTheTask(t *testing.T) {
	for name, row := range map[string]struct {
		serve func(nc net.Conn)
		code  job.Code
		says  string
	}{
		"closes":  {func(net.Conn) {}, job.Unavailable, "does not answer a Thrift call"},
		"HTTP":    {func(nc net.Conn) { nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, job.Unavailable, "does not answer a Thrift call"},
		"is deaf": {func(nc net.Conn) { io.Copy(io.Discard, nc) }, job.DeadlineExceeded, "cannot connect"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := peer(t, func(nc net.Conn, _ wire) { row.serve(nc) })
			n := connect(t, addr, NodeConnConfig{})
			defer n.Close() // before the peer is waited for
			limit := 10 * time.Second
			if row.code == job.DeadlineExceeded {
				limit = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := n.Execute(ctx, aTask)
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, "node "+addr)
			require.ErrorContains(t, err, row.says)
			require.ErrorIs(t, err, job.ErrNotSent)
		})
	}
}

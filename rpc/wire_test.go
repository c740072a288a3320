package rpc

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// bytesOf is a message as the library writes it: unframed, in the strict binary
// protocol.
func bytesOf(t testing.TB, method string, kind thrift.TMessageType, seq int32, body thrift.TStruct) []byte {
	buf := thrift.NewTMemoryBuffer()
	p := thrift.NewTBinaryProtocolConf(buf, nil)
	ctx := context.Background()
	require.NoError(t, p.WriteMessageBegin(ctx, method, kind, seq))
	require.NoError(t, body.Write(ctx, p))
	require.NoError(t, p.Flush(ctx))
	return buf.Bytes()
}

func callBytes(t testing.TB, method string, args thrift.TStruct) []byte {
	return bytesOf(t, method, thrift.CALL, 1, args)
}

// wire is the library's end of a connection.
type wire struct{ *thrift.TBinaryProtocol }

func wireOver(nc net.Conn) wire {
	return wire{thrift.NewTBinaryProtocolConf(thrift.NewStreamTransport(nc, nc), nil)}
}

// message reads one, whatever its fields are.
func (w wire) message() (method string, kind thrift.TMessageType, seq int32, err error) {
	ctx := context.Background()
	if method, kind, seq, err = w.ReadMessageBegin(ctx); err == nil {
		err = w.Skip(ctx, thrift.STRUCT)
	}
	return method, kind, seq, err
}

// hello answers the ping with which a connection begins, as a peer that does not
// announce that it answers many calls at once.
func (w wire) hello() error {
	method, _, seq, err := w.message()
	if err != nil {
		return err
	}
	return w.answer(method, seq, &spillway.ComputeNodePingResult{})
}

func (w wire) answer(method string, seq int32, result thrift.TStruct) error {
	ctx := context.Background()
	if err := w.WriteMessageBegin(ctx, method, thrift.REPLY, seq); err != nil {
		return err
	}
	if err := result.Write(ctx, w); err != nil {
		return err
	}
	return w.Flush(ctx)
}

// peer is a server made by hand: one function a connection.
func peer(t *testing.T, serve func(nc net.Conn, w wire)) (addr string) {
	l := loopback(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				serve(nc, wireOver(nc))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// libraryClient is the library's own client over nc.
func libraryClient(nc net.Conn) thrift.TClient {
	w := wireOver(nc)
	return thrift.NewTStandardClient(w, w)
}

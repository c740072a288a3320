package rpc

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// nested is a call whose argument has so many structs within each other.
func nested(depth int) []byte {
	body := bytes.Repeat([]byte{byte(thrift.STRUCT), 0, 1}, depth-1)
	return append(lengths(thrift.STRUCT, body...), bytes.Repeat([]byte{byte(thrift.STOP)}, depth+1)...)
}

func TestScanner_HoldsItsLimits(t *testing.T) {
	lim := limits{bytes: 1000, elements: 10}
	list := func(n byte) []byte {
		return append(lengths(thrift.LIST, byte(thrift.BYTE), 0, 0, 0, n), make([]byte, int(n)+1)...)
	}
	pairs := func(n byte) []byte {
		return append(lengths(thrift.MAP, byte(thrift.BYTE), byte(thrift.I16), 0, 0, 0, n), make([]byte, 3*int(n)+1)...)
	}
	text := func(n int) []byte {
		head := lengths(thrift.STRING, 0, 0, byte(n>>8), byte(n))
		return append(append(head, strings.Repeat("x", n)...), 0)
	}
	fits := lim.bytes - len(text(0))
	for name, row := range map[string]struct {
		sent []byte
		err  error
	}{
		"depth":              {nested(maxDepth), nil},
		"too deep":           {nested(maxDepth + 1), errTooLarge},
		"elements":           {list(10), nil},
		"too many elements":  {list(11), errTooLarge},
		"pairs":              {pairs(10), nil},
		"too many pairs":     {pairs(11), errTooLarge},
		"bytes":              {text(fits), nil},
		"too many bytes":     {text(fits + 1), errTooLarge},
		"unknown type":       {lengths(77), errNotThrift},
		"ends in the middle": {text(5)[:20], io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			in := scanner{r: bufio.NewReader(bytes.NewReader(row.sent)), lim: lim}
			_, err := in.begin()
			require.NoError(t, err)
			err = in.body()
			if row.err == nil {
				require.NoError(t, err)
				require.Equal(t, row.sent, in.buf)
			} else {
				require.ErrorIs(t, err, row.err)
			}
		})
	}
}

func TestScanner_NothingAtAllIsTheEnd(t *testing.T) {
	in := scanner{r: bufio.NewReader(strings.NewReader("")), lim: requestLimits}
	_, err := in.begin()
	require.Equal(t, io.EOF, err)
}

// cancelling is an answer during whose reading the caller gives up.
type cancelling struct {
	thrift.TStruct
	cancel context.CancelFunc
}

func (c cancelling) Read(context.Context, thrift.TProtocol) error {
	c.cancel()
	return nil
}

func TestClientConn_WithASpoiltDeadlineIsNotUsedAgain(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		c := newClientConn(nc, nodeReplyLimits)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = c.Call(ctx, "ping", &spillway.ComputeNodePingArgs{}, cancelling{cancel: cancel})
		require.NoError(t, err)
		require.False(t, c.usable())
	})
}

func FuzzScanner_TakesWhatApacheTakes(f *testing.F) {
	f.Add(pingFrame(f))
	f.Add(nested(3))
	f.Fuzz(func(t *testing.T, sent []byte) {
		in := scanner{r: bufio.NewReader(bytes.NewReader(sent)), lim: requestLimits}
		h, err := in.begin()
		if err != nil || in.body() != nil {
			return
		}
		p := protocolOver(bytes.NewBuffer(in.buf), requestLimits)
		method, kind, seq, err := p.ReadMessageBegin(t.Context())
		require.NoError(t, err)
		require.Equal(t, header{method, kind, seq}, h)
		require.NoError(t, p.Skip(t.Context(), thrift.STRUCT))
		require.Zero(t, p.Transport().RemainingBytes(), "both end at the same byte")
	})
}

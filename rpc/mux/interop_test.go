package mux_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// pythonWire is what testdata/echo.py speaks, by its words.
type pythonWire struct {
	transport, protocol string
	dialect             mux.Dialect
}

func (w pythonWire) String() string { return w.transport + " " + w.protocol }

var pythonWires = []pythonWire{
	{"buffered", "binary", mux.UnframedBinary},
	{"buffered", "unversioned", mux.UnframedBinary},
	{"buffered", "accelerated", mux.UnframedBinary},
	{"buffered", "compact", mux.UnframedCompact},
	{"buffered", "compact_accelerated", mux.UnframedCompact},
	{"framed", "binary", mux.FramedBinary},
	{"framed", "unversioned", mux.FramedBinary},
	{"framed", "accelerated", mux.FramedBinary},
	{"framed", "compact", mux.FramedCompact},
	{"framed", "compact_accelerated", mux.FramedCompact},
	{"header", "binary", mux.HeaderBinary},
	{"header", "compact", mux.HeaderCompact},
	{"zlib", "binary", mux.HeaderBinary},
	{"zlib", "compact", mux.HeaderCompact},
}

// someWires are one of each envelope, where nothing depends on more.
var someWires = []pythonWire{
	{"buffered", "accelerated", mux.UnframedBinary},
	{"framed", "compact", mux.FramedCompact},
	{"zlib", "binary", mux.HeaderBinary},
}

// python is Debian's, which the package python3-thrift serves.
var python = sync.OnceValue(func() string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import thrift.server.TServer").Run() == nil {
			return name
		}
	}
	return ""
})

// startPython runs testdata/echo.py until the test ends. lines are what it prints.
func startPython(t *testing.T, args ...string) (in io.WriteCloser, lines <-chan string) {
	if python() == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "no Python with Apache Thrift: tools/deps test")
		t.Skip("no Python with Apache Thrift; apt-get install python3-thrift")
	}
	cmd := exec.Command(python(), append([]string{"testdata/echo.py"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	printed, read := make(chan string, 4096), make(chan struct{}) // more than any test leaves unread
	go func() {
		defer close(read)
		defer close(printed)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			printed <- strings.TrimSuffix(line, "\n")
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("echo.py %s: %s", strings.Join(args, " "), &stderr)
		}
	})
	return in, printed
}

func startPythonServer(t *testing.T, kind, transport, protocol string) (addr string, seen <-chan string) {
	_, lines := startPython(t, "server", kind, transport, protocol)
	port, ok := <-lines
	require.True(t, ok, "the server does not start")
	return net.JoinHostPort("127.0.0.1", port), lines
}

// step is a call of the Python client, and outcome what came of it.
type (
	step struct {
		On     int        `json:"on"`
		Call   string     `json:"call,omitempty"`
		Data   []byte     `json:"data,omitempty"`
		Item   *echo.Item `json:"item,omitempty"`
		Ms     int64      `json:"ms,omitempty"`
		Text   string     `json:"text,omitempty"`
		Oneway bool       `json:"oneway,omitempty"`
		Ahead  []step     `json:"ahead,omitempty"`
	}
	outcome struct {
		On        int           `json:"on"`
		Call      string        `json:"call"`
		Data      []byte        `json:"data"`
		Item      *echo.Item    `json:"item"`
		Refused   *echo.Refused `json:"refused"`
		Broken    string        `json:"broken"`
		Exception *struct {
			Type    int32  `json:"type"`
			Message string `json:"message"`
		} `json:"exception"`
	}
)

// err is what the generated client would return.
func (o outcome) err() error {
	switch {
	case o.Broken != "":
		return errors.New(o.Broken)
	case o.Exception != nil:
		return thrift.NewTApplicationException(o.Exception.Type, o.Exception.Message)
	case o.Refused != nil:
		return o.Refused
	}
	return nil
}

// pythonClient is a process with a thread for each of its connections.
type pythonClient struct {
	mu       sync.Mutex // of in
	in       *json.Encoder
	outcomes [3]chan outcome // by connection
}

// pythonCaller is one of the connections.
type pythonCaller struct {
	c  *pythonClient
	on int
}

var _ caller = pythonCaller{}

// connectPython returns two callers of one process.
func connectPython(t *testing.T, addr string, w pythonWire) (a, b pythonCaller) {
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	in, lines := startPython(t, "client", port, w.transport, w.protocol)
	c := &pythonClient{in: json.NewEncoder(in)}
	for i := range c.outcomes {
		c.outcomes[i] = make(chan outcome, 100)
	}
	read := make(chan error, 1)
	go func() {
		defer func() {
			for _, ch := range c.outcomes {
				close(ch)
			}
		}()
		for line := range lines {
			var o outcome
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				read <- fmt.Errorf("%w: %q", err, line)
				return
			}
			c.outcomes[o.On] <- o
		}
		read <- nil
	}()
	t.Cleanup(func() {
		in.Close()
		if !t.Failed() { // else a connection may hang, and with it the process
			require.NoError(t, <-read)
		}
	})
	return pythonCaller{c, 1}, pythonCaller{c, 2}
}

// do takes a step and waits for its outcomes.
func (p pythonCaller) do(ctx context.Context, s step) ([]outcome, error) {
	s.On = p.on
	p.c.mu.Lock()
	err := p.c.in.Encode(s)
	p.c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var got []outcome
	for range max(1, len(s.Ahead)) {
		select {
		case o, ok := <-p.c.outcomes[p.on]:
			if !ok {
				return nil, errors.New("the client is gone")
			}
			got = append(got, o)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return got, nil
}

func (p pythonCaller) one(ctx context.Context, s step) (outcome, error) {
	got, err := p.do(ctx, s)
	if err != nil {
		return outcome{}, err
	}
	return got[0], got[0].err()
}

func (p pythonCaller) Ping(ctx context.Context) error {
	_, err := p.one(ctx, step{Call: "ping"})
	return err
}

func (p pythonCaller) Echo(ctx context.Context, data []byte) ([]byte, error) {
	o, err := p.one(ctx, step{Call: "echo", Data: data})
	return o.Data, err
}

func (p pythonCaller) Item(ctx context.Context, item *echo.Item) (*echo.Item, error) {
	o, err := p.one(ctx, step{Call: "item", Item: item})
	return o.Item, err
}

func (p pythonCaller) After(ctx context.Context, data []byte, ms int64) ([]byte, error) {
	o, err := p.one(ctx, step{Call: "after", Data: data, Ms: ms})
	return o.Data, err
}

func (p pythonCaller) Note(ctx context.Context, text string) error {
	_, err := p.one(ctx, step{Call: "note", Text: text})
	return err
}

func (p pythonCaller) Nothing(ctx context.Context) error {
	_, err := p.one(ctx, step{Call: "nothing"})
	return err
}

func TestServer_AnswersPythonClients(t *testing.T) {
	for _, wire := range pythonWires {
		t.Run(wire.String(), func(t *testing.T) {
			h := newHandler()
			a, b := connectPython(t, startServer(t, h), wire)
			exercise(t, a, h.seen)
			_, err := a.Echo(soon(t), []byte("explain"))
			requireException(t, err, thrift.INTERNAL_ERROR, "the disk is full")
			overtake(t, b, a, h.seen)
		})
	}
}

func TestServer_AnswersCallsMadeAheadInTheirOrder(t *testing.T) {
	for _, wire := range pythonWires {
		t.Run(wire.String(), func(t *testing.T) {
			a, _ := connectPython(t, startServer(t, newHandler()), wire)
			got, err := a.do(soon(t), step{Ahead: []step{
				{Call: "after", Data: []byte("1"), Ms: 50},
				{Call: "echo", Data: []byte("2")},
				{Call: "echo", Data: []byte("refuse")},
				{Call: "nothing"},
				{Call: "note", Text: "between"},
				{Call: "echo", Data: []byte("3")},
			}})
			require.NoError(t, err)
			for i, want := range []string{"1", "2", "refused", "Unknown function nothing", "", "3"} {
				switch o := got[i]; {
				case o.Refused != nil:
					require.Equal(t, want, "refused")
				case o.Exception != nil:
					require.Equal(t, want, o.Exception.Message)
				default:
					require.Empty(t, o.Broken)
					require.Equal(t, want, string(o.Data))
				}
			}
		})
	}
}

func TestServer_AnswersNoOnewayCallOfAnUnknownMethod(t *testing.T) {
	for _, wire := range pythonWires {
		t.Run(wire.String(), func(t *testing.T) {
			a, _ := connectPython(t, startServer(t, newHandler()), wire)
			_, err := a.one(soon(t), step{Call: "nothing", Oneway: true})
			require.NoError(t, err)
			requireEcho(t, a, "the next call has its own answer")
		})
	}
}

func TestPool_CallsPythonServers(t *testing.T) {
	for _, wire := range pythonWires {
		t.Run(wire.String(), func(t *testing.T) {
			addr, seen := startPythonServer(t, "threaded", wire.transport, wire.protocol)
			for name, d := range map[string]mux.Dialect{"told": wire.dialect, "found out": 0} {
				t.Run(name, func(t *testing.T) {
					p := startPool(t, addr, d)
					c := func() caller { return over(p) }
					exercise(t, c(), seen)
					giveUp(t, c, seen, 300)
				})
			}
			p := startPool(t, addr, 0)
			crowd(t, 32, func() caller { return over(p) })
			require.True(t, p.Solo())
			overtake(t, over(p), over(p), seen)
		})
	}
}

func TestPool_CallsAPythonServerOfEveryDialectInAnyOfThem(t *testing.T) {
	addr, seen := startPythonServer(t, "threaded", "any", "binary")
	for d := mux.Dialect(0); d <= mux.HeaderCompact; d++ {
		t.Run(d.String(), func(t *testing.T) { exercise(t, over(startPool(t, addr, d)), seen) })
	}
}

func TestPool_TakesTurnsWithAServerOfOneConnection(t *testing.T) {
	for _, wire := range someWires {
		t.Run(wire.String(), func(t *testing.T) {
			addr, seen := startPythonServer(t, "simple", wire.transport, wire.protocol)
			p := startPool(t, addr, 0)
			c := func() caller { return over(p) }
			exercise(t, c(), seen)
			stop, busy := make(chan struct{}), make(chan error, 1)
			go func() {
				var err error
				for err == nil {
					select {
					case <-stop:
						busy <- nil
						return
					default:
						_, err = c().After(soon(t), nil, 20)
					}
				}
				busy <- err
			}()
			await(t, seen, "after 20")
			for range 5 {
				requireEcho(t, c(), "while another calls all the time")
			}
			close(stop)
			require.NoError(t, ended(t, busy))
			crowd(t, 8, c)
			giveUp(t, c, seen, 200)
		})
	}
}

func TestPool_CallsAPythonServerWithAPoolOfThreads(t *testing.T) {
	addr, seen := startPythonServer(t, "pool", "buffered", "binary")
	p := startPool(t, addr, 0)
	c := func() caller { return over(p) }
	exercise(t, c(), seen)
	crowd(t, 64, c) // on ten threads
	overtake(t, c(), c(), seen)
}

func TestPool_WaitsForAServerThatIsBusyWithAnother(t *testing.T) {
	for _, row := range []struct {
		name string
		wire pythonWire
		told mux.Dialect
	}{
		{"told", pythonWires[0], mux.UnframedBinary},
		{"found out", pythonWires[0], 0},
		{"found out, though it waits for ever on any other dialect", pythonWires[1], 0},
		{"found out, though it is not the first guess", pythonWire{"framed", "compact", mux.FramedCompact}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			addr, seen := startPythonServer(t, "simple", row.wire.transport, row.wire.protocol)
			other := startPool(t, addr, row.wire.dialect)
			busy := make(chan error, 1)
			go func() {
				_, err := over(other).After(soon(t), nil, 3000) // longer than one hello may take
				busy <- err
			}()
			await(t, seen, "after 3000")
			requireEcho(t, over(startPool(t, addr, row.told)), "at last")
			require.NoError(t, ended(t, busy))
		})
	}
}

// A Python client and server of a dialect understand one another without us, so
// that what fails above is not the tests' own doing.
func TestPython_UnderstandsItself(t *testing.T) {
	for _, wire := range someWires {
		t.Run(wire.String(), func(t *testing.T) {
			addr, seen := startPythonServer(t, "threaded", wire.transport, wire.protocol)
			a, b := connectPython(t, addr, wire)
			exercise(t, a, seen)
			overtake(t, b, a, seen)
		})
	}
}

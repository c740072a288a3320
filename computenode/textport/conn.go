package textport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"spillway/job"
)

// conn is one connection.
type conn struct {
	port *Port
	peer *patient
	in   *bufio.Reader
	idle bool // no byte of a request has come yet
	// begun tells that the first byte of the next reply has been written, see attend.
	begun bool
}

// errLine tells of a line that is longer than is allowed, errHalf of one that did not
// come whole, errWeb of a browser.
var (
	errLine = errors.New("the request is too long")
	errHalf = errors.New("half a request: its line did not end")
	errWeb  = errors.New("this is no web server")
)

func newConn(p *Port, nc net.Conn) *conn {
	return &conn{port: p, peer: &patient{Conn: nc, stall: p.cfg.Stall}}
}

// Read is the connection as the buffer sees it: patient with a peer that is idle.
func (c *conn) Read(b []byte) (int, error) {
	if c.idle {
		return c.peer.readBy(b, time.Now().Add(c.port.cfg.Idle))
	}
	return c.peer.Read(b)
}

// serve answers until the peer is gone or done ends; what is being worked on ends
// with working, and the connection with open.
func (c *conn) serve(done, working, open context.Context) {
	defer c.peer.Close()
	c.peer.done, c.peer.gone = done, open
	defer c.peer.watch()()
	c.in = bufio.NewReaderSize(c, 64<<10)
	for c.next(working) {
	}
}

// next does one request, and tells whether there may be another.
func (c *conn) next(ctx context.Context) bool {
	if c.peer.done.Err() != nil {
		return false
	}
	line, err := c.line()
	switch {
	case c.peer.done.Err() != nil && err != nil, errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded) && c.idle:
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.complain(errHalf) == nil
	case errors.Is(err, errHalf), errors.Is(err, errWeb):
		_ = c.complain(err)
		return false
	case errors.Is(err, errLine):
		return c.complain(fmt.Errorf("%w: more than %d bytes", err, c.port.cfg.Line)) == nil
	case err != nil:
		return false
	}
	r, err := parse(line)
	if err != nil {
		return c.complain(err) == nil && c.skip(r)
	}
	return c.do(ctx, r)
}

// skip reads over the bytes of a file whose name is refused, so that they are not taken
// for requests.
func (c *conn) skip(r request) bool {
	return r.verb != put || c.drop(r.size) == nil
}

// line reads one request without its end, and passes over lines that are empty. The
// line of put also ends with a space behind the length, from where on its bytes come.
func (c *conn) line() (string, error) {
	c.wait()
	var line []byte
	for {
		b, err := c.in.ReadByte()
		if errors.Is(err, io.EOF) && len(line) > 0 {
			return "", errHalf
		}
		if err != nil {
			return "", err
		}
		if c.idle {
			c.idle = false
			c.peer.until = time.Now().Add(c.peer.stall)
		}
		switch {
		case b == ' ' && endsPut(line):
			return string(line), nil
		case b != '\n':
			if len(line) <= c.port.cfg.Line { // one more tells that it is too long
				line = append(line, b)
			}
			continue
		case len(line) > c.port.cfg.Line:
			return "", errLine
		}
		if text := strings.TrimSuffix(string(line), "\r"); text != "" {
			return text, web(text)
		}
		c.wait()
		line = line[:0]
	}
}

// wait lets the peer be idle.
func (c *conn) wait() {
	c.idle, c.peer.until = true, time.Time{}
}

// web refuses what a browser sends first: a page could have it send requests, too.
func web(line string) error {
	if strings.HasSuffix(line, " HTTP/1.1") || strings.HasSuffix(line, " HTTP/1.0") {
		return errWeb
	}
	return nil
}

// endsPut tells whether line is a whole put file.
func endsPut(line []byte) bool {
	const most = len(put) + job.MaxFileName + len(withLength) + 40
	n := len(line)
	if n == 0 || n > most || line[n-1] < '0' || line[n-1] > '9' {
		return false
	}
	rest, ok := strings.CutPrefix(string(line), string(put)+" ")
	if !ok {
		return false
	}
	_, err := parsePut(rest)
	return err == nil
}

// do does a request and answers it; it tells whether there may be another. A panic
// costs the request, not the node.
func (c *conn) do(ctx context.Context, r request) (more bool) {
	defer func() {
		if value := recover(); value != nil {
			c.port.log.Error("text request panicked", "request", string(r.verb), "value", value, "stack", string(debug.Stack()))
			_ = c.complain(errors.New("the node has a fault; see its log"))
			more = false
		}
	}()
	switch r.verb {
	case put:
		return c.put(ctx, r)
	case get:
		return c.get(ctx, r)
	}
	text, err := c.answer(ctx, r)
	if errors.Is(err, errGone) {
		c.port.log.Info("work stopped, since nobody waits for it", "request", string(r.verb), "file", r.name)
		return false
	}
	switch {
	case ctx.Err() != nil:
		_ = c.complain(errors.New("the node stops; the request was given up"))
		return false
	case err != nil:
		return c.complain(err) == nil
	}
	return c.say(text) == nil
}

// answer has the port answer, as long as the peer is there. Errors: those of the port;
// errGone.
func (c *conn) answer(ctx context.Context, r request) (string, error) {
	ctx, leave := c.attend(ctx)
	defer leave()
	text, err := c.port.answer(ctx, r)
	if errors.Is(context.Cause(ctx), errGone) {
		return "", errGone
	}
	return text, err
}

// put takes a file.
func (c *conn) put(ctx context.Context, r request) bool {
	c.peer.until = c.peer.fileBy(r.size)
	file := &io.LimitedReader{R: c.in, N: r.size}
	err := c.port.node.Receive(ctx, r.name, r.size, file)
	came := r.size - file.N
	switch {
	case err == nil:
		return c.say(fmt.Sprintf("received file %s with length %d", r.name, r.size)) == nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
		ended := !errors.Is(err, os.ErrDeadlineExceeded)
		err = fmt.Errorf("put file %s: only %d of %d bytes came; nothing of it is kept", job.Shown(r.name), came, r.size)
		return c.complain(err) == nil && !ended && c.peer.done.Err() == nil
	case c.peer.done.Err() != nil:
		_ = c.complain(fmt.Errorf("put file %s: the node stops; nothing of it is kept", job.Shown(r.name)))
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok { // the peer is gone
		return false
	}
	return c.complain(err) == nil && c.drop(file.N) == nil
}

// drop reads over n bytes of a file that is not taken. Bytes that do not come are no
// error: what comes later is a request.
func (c *conn) drop(n int64) error {
	c.peer.until = c.peer.fileBy(n)
	came, err := io.CopyN(io.Discard, c.in, n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.complain(fmt.Errorf("%d bytes of a file did not come", n-came))
	}
	return err
}

// sendBytes is how much of a file is written within one stall.
const sendBytes = 256 << 10

// get sends a file.
func (c *conn) get(ctx context.Context, r request) bool {
	file, size, err := c.port.node.Open(ctx, r.name)
	switch {
	case job.CodeOf(err) == job.NotFound && err != nil:
		return c.say("retrieve file not found for file "+r.name) == nil
	case err != nil:
		return c.complain(err) == nil
	}
	defer file.Close()
	if c.say(fmt.Sprintf("sent file %s with length %d", r.name, size)) != nil {
		return false
	}
	for left := size; left > 0; {
		n, err := io.CopyN(c.peer, file, min(left, sendBytes))
		if left -= n; err != nil {
			if left > 0 && c.peer.gone.Err() == nil {
				c.port.log.Warn("file not sent whole", "file", r.name, "left", left, "err", err)
			}
			return false // no other reply could be told from the rest of the file
		}
	}
	return true
}

// say writes a reply.
func (c *conn) say(text string) error {
	reply := stamp(c.port.cfg.Now()) + text + "\n"
	if c.begun {
		reply, c.begun = strings.TrimPrefix(reply, beginByte), false
	}
	_, err := io.WriteString(c.peer, reply)
	return err
}

// complain writes a reply that the protocol has no words for.
func (c *conn) complain(err error) error { return c.say("error: " + job.Describe(err)) }

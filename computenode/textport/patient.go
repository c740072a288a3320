package textport

import (
	"context"
	"net"
	"time"
)

// leastRate is how many bytes of a file must come each second on average.
const leastRate = 16 << 10

// patient reads from and writes to a connection, and waits for its peer only so long.
// It is for one goroutine.
type patient struct {
	net.Conn
	stall time.Duration
	until time.Time // when a read ends at the latest; zero: never
	// done tells that nothing should be read any more, or written any more.
	done, gone context.Context //nolint:containedctx // it lives as long as the connection's goroutine
}

// Read waits for at most the stall.
func (p *patient) Read(b []byte) (int, error) {
	deadline := time.Now().Add(p.stall)
	if !p.until.IsZero() && p.until.Before(deadline) {
		deadline = p.until
	}
	return p.readBy(b, deadline)
}

// readBy reads until the deadline, or until the port is told to stop.
func (p *patient) readBy(b []byte, deadline time.Time) (int, error) {
	_ = p.SetReadDeadline(deadline)
	if p.done.Err() != nil { // it ended before the deadline was set
		return 0, p.done.Err()
	}
	n, err := p.Conn.Read(b)
	if n == 0 && err != nil && p.done.Err() != nil {
		err = p.done.Err()
	}
	return n, err
}

// Write waits for at most the stall.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.SetWriteDeadline(time.Now().Add(p.stall))
	if p.gone.Err() != nil {
		return 0, p.gone.Err()
	}
	return p.Conn.Write(b)
}

// watch wakes reads and writes that wait when they should not any more, until stop.
func (p *patient) watch() (stop func()) {
	past := time.Unix(1, 0)
	stopReads := context.AfterFunc(p.done, func() { _ = p.SetReadDeadline(past) })
	stopWrites := context.AfterFunc(p.gone, func() { _ = p.SetDeadline(past) })
	return func() {
		stopReads()
		stopWrites()
	}
}

// fileBy is when a file of size bytes must have come, that begins now.
func (p *patient) fileBy(size int64) time.Time {
	seconds := min(size/leastRate, int64(365*24*time.Hour/time.Second))
	return time.Now().Add(p.stall + time.Duration(seconds)*time.Second)
}

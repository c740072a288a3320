package textport

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errGone ends the work on a request that nobody waits for any more.
var errGone = errors.New("its peer is gone")

// presence is what is known of a peer without reading.
type presence int

const (
	there     presence = iota
	doneTalks          // it sends no more; whether it still reads only writing can tell
	gone
)

// beginByte is what every reply begins with, see stamp.
const beginByte = "<"

// beginWait bounds the writing of beginByte: a peer that does not read is not waited for.
const beginWait = 10 * time.Millisecond

// attend looks after the peer while a request of its is worked on, and ends ctx with
// errGone when it is gone. A peer that has closed its sending side, as nc -N does, looks
// like one that has closed all of it, so that the reply is begun early: a peer that is
// gone refuses that. leave must be called before the reply is written.
func (c *conn) attend(ctx context.Context) (attended context.Context, leave func()) {
	attended, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(c.port.cfg.Look)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-attended.Done():
				return
			}
			switch look(c.peer.Conn) {
			case gone:
				cancel(errGone)
			case doneTalks:
				c.begin()
			}
		}
	})
	return attended, func() {
		cancel(nil)
		wg.Wait()
	}
}

// begin writes the first byte of the reply, once.
func (c *conn) begin() {
	if c.begun {
		return
	}
	_ = c.peer.SetWriteDeadline(time.Now().Add(beginWait))
	n, _ := c.peer.Conn.Write([]byte(beginByte))
	c.begun = n > 0
}

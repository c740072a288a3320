package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	// heartbeat is how long nothing is sent at most: a comment shows that both ends live.
	heartbeat = 15 * time.Second
	// checkEvery is how often it is looked whether the token of a listener still lives, or
	// of who sends a body.
	checkEvery = 5 * time.Second
	// sendTime is how long a listener may take for the bytes that it is sent at once.
	sendTime = 10 * time.Second
	// comeBack is when a listener whose stream broke shall come again.
	comeBack = 3 * time.Second
)

// reset is why a listener is told anew how things stand.
type reset struct {
	Reason string `json:"reason" enum:"late,restarted" doc:"late: events after the one that was heard last are forgotten; restarted: that one was another server's" example:"late"`
}

// follower is one who hears a topic.
type follower struct {
	a           *API
	t           *topic
	w           http.ResponseWriter
	control     *http.ResponseController
	alive       func() bool // whether its token lives
	beat, check time.Duration

	after   int64     // the number of the event that it knows
	sent    time.Time // when something was sent last
	checked time.Time // when its token was
}

// run sends until there is no more to send, or nobody to take it.
func (l *follower) run(ctx context.Context, known heard) {
	l.checked = time.Now()
	if !l.begin(known) {
		return
	}
	for {
		if time.Since(l.checked) >= l.check {
			if l.checked = time.Now(); !l.alive() {
				_ = l.send([]byte(": the token is not valid any more\n\n")) // or it has left
				return
			}
		}
		b := l.t.next(l.after)
		if !l.pass(b) || b.over || l.parted(ctx) {
			return
		}
		if !b.lost && len(b.frames) == 0 && !l.idle(ctx, b.more) {
			return
		}
	}
}

// idle waits for more, or until it is time to look at the token, and lets the listener
// know now and then that both ends live; false: there is nobody to send to any more.
func (l *follower) idle(ctx context.Context, more <-chan struct{}) bool {
	timer := time.NewTimer(min(l.check-time.Since(l.checked), l.beat-time.Since(l.sent)))
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
		if time.Since(l.sent) >= l.beat {
			return l.send([]byte(": alive\n\n")) == nil
		}
	case <-ctx.Done():
		return false
	case <-l.a.stopping:
		return false
	}
	return true
}

// parted reports whether the listener or the server has left.
func (l *follower) parted(ctx context.Context) bool {
	select {
	case <-l.a.stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// begin tells when to come back and, unless the listener only missed some events, how
// things stand; false: nobody takes it.
func (l *follower) begin(known heard) bool {
	if l.send(fmt.Appendf(nil, "retry: %d\n\n", comeBack.Milliseconds())) != nil {
		return false
	}
	switch {
	case known.all:
		l.after = l.t.oldest()
		return true
	case !known.given:
		return l.stand(nil, false)
	case !known.ours:
		return l.reset("restarted")
	}
	l.after = known.after
	return true
}

// pass sends a batch; false: nobody takes it.
func (l *follower) pass(b batch) bool {
	if b.lost {
		return l.reset("late")
	}
	l.after = b.upTo
	return len(b.frames) == 0 || l.send(b.frames...) == nil
}

// reset tells that events are lost, and how things stand.
func (l *follower) reset(reason string) bool {
	return l.stand([]byte("event: "+resetEvent+"\ndata: "+string(encode(reset{reason}))+"\n\n"), true)
}

// stand tells, behind some first words, how things stand.
func (l *follower) stand(first []byte, lost bool) bool {
	frame, upTo := l.t.now(lost)
	l.after = upTo
	return l.send(first, frame) == nil
}

// send sends frames together, for which the listener has sendTime.
func (l *follower) send(frames ...[]byte) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(sendTime)) // writers of tests have none
	for _, f := range frames {
		if len(f) == 0 {
			continue
		}
		if _, err := l.w.Write(f); err != nil {
			return err
		}
	}
	l.sent = time.Now()
	return l.control.Flush()
}

// wait waits so long; false: ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package isolate

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// The pause after a child that did not start, doubled each time.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// start gives s a child and leaves the rest to a goroutine: the child's hello,
// or the pause after one that did not start.
func (p *Pool[Req, Rep]) start(s *slot) {
	c, err := startChild(p.cfg)
	if err != nil {
		p.own.Go(func() { p.notStarted(s, err) })
		return
	}
	s.mu.Lock()
	if s.child != nil {
		s.child.close()
	}
	s.child = c
	s.mu.Unlock()
	p.own.Go(c.reap)
	p.own.Go(func() {
		if err := p.greet(c); err != nil {
			p.notStarted(s, err)
			return
		}
		if s.failures > 0 {
			s.failures = 0
			p.count(-1, nil)
		}
		p.idle <- s
	})
}

// greet waits for the child's hello.
func (p *Pool[Req, Rep]) greet(c *child) error {
	_ = c.answers.SetReadDeadline(time.Now().Add(startTimeout))
	var h hello
	err := c.in.receive(&h)
	if err == nil {
		return nil
	}
	c.bury()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it was not ready after %v", startTimeout)
	case errors.Is(err, errGarbled):
		return errors.New("it speaks something else")
	}
	return errors.New(c.cause())
}

// notStarted pauses, longer each time, before s wants a child again.
func (p *Pool[Req, Rep]) notStarted(s *slot, err error) {
	if p.hasStopped() {
		return
	}
	if s.failures++; s.failures == 1 {
		p.count(+1, err)
	}
	pause := pauseAfter(s.failures)
	p.log.Error("child process did not start", "err", err, "pause", pause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		p.empty <- s
	case <-p.stopped:
	}
}

// pauseAfter is the pause after so many failures in a row.
func pauseAfter(failures int) time.Duration {
	return min(firstPause<<min(failures-1, 10), lastPause)
}

// count keeps the number of slots whose child does not start.
func (p *Pool[Req, Rep]) count(change int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.failing == len(p.slots)
	p.failing += change
	switch is := p.failing == len(p.slots); {
	case is && !was:
		p.downErr = err
		close(p.down)
	case was && !is:
		p.down = make(chan struct{})
	}
}

package main

import (
	"bytes"
	"sync"
)

// tailLines is how many lines of the log are kept, tailBytes how much of each.
const (
	tailLines = 1000
	tailBytes = 4 << 10
)

// tail keeps the last lines that were written to it. It may be used concurrently.
type tail struct {
	mu    sync.Mutex // guards what follows
	lines []string   // a ring, once it is full
	next  int        // where the next line goes then
}

// Write takes one line or several, each of them whole, as loggers write them.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range bytes.Lines(p) {
		line = bytes.TrimRight(line, "\r\n")
		t.add(string(line[:min(len(line), tailBytes)]))
	}
	return len(p), nil
}

// add keeps a line in place of the oldest; mu is held.
func (t *tail) add(line string) {
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % tailLines
}

// last is the last n lines, or as many as there are, oldest first.
func (t *tail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = max(0, min(n, len(t.lines)))
	out := make([]string, n)
	for i := range n {
		out[i] = t.lines[(t.next+len(t.lines)-n+i)%len(t.lines)]
	}
	return out
}

package api

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// logLines is how many lines a LogRing keeps that is not told how many.
	logLines = 1000
	// logText bounds the text of one value, and logWhole that of all attributes of a
	// line together, in bytes.
	logText, logWhole = 4 << 10, 8 << 10
)

// LogLine is a line of the server's own log.
type LogLine struct {
	Number     int64             `json:"number" doc:"orders the lines since the server's start, from 1" example:"17"`
	At         time.Time         `json:"at" doc:"when it was written"`
	Level      string            `json:"level" doc:"DEBUG, INFO, WARN or ERROR" example:"INFO"`
	Message    string            `json:"message" doc:"what happened" example:"node has joined"`
	Attributes map[string]string `json:"attributes" doc:"the particulars; names within groups have dots"`
}

// LogRing keeps the latest lines of the server's log, for those who look at it over
// HTTP. It may be used concurrently; the zero LogRing is not ready for use.
type LogRing struct {
	mu    sync.Mutex
	lines []LogLine // line n is at (n-1) modulo the size
	size  int
	last  int64         // the number of the latest
	more  chan struct{} // closed with the next line; nil while nobody waits
}

// NewLogRing makes a ring of so many lines, at most 8 KiB each. 0: 1000 lines.
func NewLogRing(lines int) *LogRing {
	if lines <= 0 {
		lines = logLines
	}
	return &LogRing{size: lines}
}

// Handler keeps what next is told, and tells next.
func (r *LogRing) Handler(next slog.Handler) slog.Handler { return logHandler{Handler: next, ring: r} }

// Last are the n latest lines, the oldest first; fewer where there are no more.
func (r *LogRing) Last(n int) []LogLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind(r.last - int64(max(n, 0)))
}

// Since are the lines behind a number, the oldest first; lost tells that the ring does
// not have all of them any more.
func (r *LogRing) Since(number int64) (lines []LogLine, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind(number), number < r.last-int64(len(r.lines))
}

// Next is closed as soon as there is a line behind a number.
func (r *LogRing) Next(number int64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last > number {
		now := make(chan struct{})
		close(now)
		return now
	}
	if r.more == nil {
		r.more = make(chan struct{})
	}
	return r.more
}

// behind are the lines behind a number, as far as they are kept; the caller holds the
// lock.
func (r *LogRing) behind(number int64) []LogLine {
	out := []LogLine{}
	for n := max(number, r.last-int64(len(r.lines))) + 1; n <= r.last; n++ {
		out = append(out, r.lines[(n-1)%int64(r.size)])
	}
	return out
}

// add keeps a line, and forgets the oldest where there are too many.
func (r *LogRing) add(l LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	l.Number = r.last
	if len(r.lines) < r.size {
		r.lines = append(r.lines, l)
	} else {
		r.lines[(l.Number-1)%int64(r.size)] = l
	}
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// logHandler tells two: a ring, and the handler that it stands before.
type logHandler struct {
	slog.Handler
	ring  *LogRing
	group string      // the open groups, each with a dot behind it
	attrs []slog.Attr // under their full names
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	l := LogLine{At: r.Time.UTC(), Level: r.Level.String(), Message: cut(r.Message, logText), Attributes: map[string]string{}}
	room := logWhole - len(l.Message)
	for _, a := range h.attrs {
		room = l.put("", a, room)
	}
	r.Attrs(func(a slog.Attr) bool {
		room = l.put(h.group, a, room)
		return true
	})
	h.ring.add(l)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	all := append([]slog.Attr{}, h.attrs...)
	for _, a := range attrs {
		all = append(all, slog.Attr{Key: h.group + a.Key, Value: a.Value})
	}
	h.Handler, h.attrs = h.Handler.WithAttrs(attrs), all
	return h
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.Handler, h.group = h.Handler.WithGroup(name), h.group+name+"."
	}
	return h
}

// put adds an attribute under its group, and returns how much room is left.
func (l *LogLine) put(group string, a slog.Attr, room int) int {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range value.Group() {
			room = l.put(group, inner, room)
		}
		return room
	}
	name := cut(group+a.Key, logText)
	if a.Equal(slog.Attr{}) || room <= len(name) {
		return room
	}
	text := cut(value.String(), min(logText, room-len(name)))
	l.Attributes[name] = text
	return room - len(name) - len(text)
}

// cut is the beginning of a text, at most so many bytes, and valid UTF-8.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}

var _ slog.Handler = logHandler{}

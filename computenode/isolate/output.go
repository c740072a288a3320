package isolate

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Bounds of what is kept of a child's output, and of a reason made from it.
const (
	keepBytes   = 4 << 10
	reasonRunes = 200
)

// output keeps the beginning and the end of what a child prints while it works
// on one task: a crash names its reason first, and other programs theirs last.
// It may be used concurrently.
type output struct {
	mu         sync.Mutex
	head, tail []byte // guarded by mu
}

// Write implements io.Writer; it never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(p), keepBytes-len(o.head))
	o.head = append(o.head, p[:n]...)
	if rest := p[n:]; len(rest) > 0 {
		o.tail = append(o.tail, rest[max(0, len(rest)-keepBytes):]...)
		if over := len(o.tail) - keepBytes; over > 0 {
			o.tail = append(o.tail[:0], o.tail[over:]...)
		}
	}
	return len(p), nil
}

// reset forgets all.
func (o *output) reset() {
	o.mu.Lock()
	o.head, o.tail = o.head[:0], o.tail[:0]
	o.mu.Unlock()
}

// text is what is kept.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.head) + string(o.tail)
}

// telling are beginnings of lines that name the reason of a death, the most
// telling first: C++, Go's runtime, the dynamic linker, sanitizers and glibc.
var telling = []string{
	"terminate called", "panic:", "fatal error:", "runtime: out of memory", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL",
	"error while loading", "malloc", "free(", "double free", "corrupted", "unexpected fault",
}

// reason is the line of text that says best why a process died, clean and
// short, or "".
func reason(text string) string {
	lines := strings.Split(text, "\n")
	for _, start := range telling {
		for i, line := range lines {
			at := strings.Index(line, start)
			if at < 0 {
				continue
			}
			line = line[at:]
			if i+1 < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i+1]), "what():") {
				line += " " + lines[i+1]
			}
			return oneLine(line)
		}
	}
	for _, last := range slices.Backward(lines) {
		if line := oneLine(last); line != "" {
			return line
		}
	}
	return ""
}

// oneLine drops what does not print, and shortens.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > reasonRunes {
		s = string(runes[:reasonRunes]) + "…"
	}
	return s
}

// starved reports whether text speaks of memory that was refused.
func starved(text string) bool {
	text = strings.ToLower(text)
	for _, sign := range []string{"out of memory", "bad_alloc", "insufficient memory", "cannot allocate memory", "failed to allocate"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

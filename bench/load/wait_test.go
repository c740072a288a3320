package load

import (
	"path/filepath"
	"strings"
	"time"
)

// patience bounds waits for something that must happen; poll is how often it is
// looked for.
const (
	patience = 30 * time.Second
	poll     = 5 * time.Millisecond
)

// lastLine remembers the temporary folder that the progress names.
type lastLine struct{ dir string }

// Write implements io.Writer.
func (l *lastLine) Write(p []byte) (int, error) {
	for word := range strings.FieldsSeq(string(p)) {
		if strings.HasPrefix(filepath.Base(word), "spillway-bench-") {
			l.dir = word
		}
	}
	return len(p), nil
}

package api

import (
	"context"
	"time"
)

// lineEvent is a line of the server's own log.
const lineEvent = "line"

// logPause is the least time between two times that listeners of the log are woken.
const logPause = 100 * time.Millisecond

// followLog is the source of the log's events. It begins with what the ring has.
func followLog(r *LogRing) source {
	return func(ctx context.Context, t *topic) error {
		var known int64
		for {
			lines, _ := r.Since(known)
			notes := make([]note, len(lines))
			for i, l := range lines {
				notes[i], known = note{lineEvent, l}, l.Number
			}
			t.tell(nil, notes...)
			select {
			case <-r.Next(known):
			case <-ctx.Done():
				return nil
			}
			if !wait(ctx, logPause) {
				return nil
			}
		}
	}
}

package api

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"spillway/job"
)

// The id of an event is START-NUMBER, and START-NUMBER-end of the last one of a job:
// START is of the server's start, and the numbers of all topics grow together, so that an
// id means the same moment wherever it is shown.
const (
	idSeparator = "-"
	idEnd       = "end"
	// fromFirst in place of an id asks for all that is remembered.
	fromFirst = "0"
	maxID     = 64 // bytes
)

// frame is an event on the wire.
func (h *hub) frame(number int64, kind string, data []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(data) + len(h.start) + len(kind) + maxID)
	b.WriteString("id: " + h.start + idSeparator + strconv.FormatInt(number, 10))
	if kind == endEvent {
		b.WriteString(idSeparator + idEnd)
	}
	b.WriteString("\nevent: " + kind + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// heard is what a listener says that it knows.
type heard struct {
	given bool  // it says so
	all   bool  // it knows nothing, and wants all that is remembered
	ours  bool  // the id is of this server's life
	after int64 // the number of the id, if it is ours
	end   bool  // it has heard a job's end
}

// heardBy reads the id that a listener heard last: from the header that browsers send
// when they come back, or else from the query. Errors: InvalidArgument.
func (h *hub) heardBy(r *http.Request) (heard, error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("last_event_id")
	}
	switch id {
	case "":
		return heard{}, nil
	case fromFirst:
		return heard{given: true, all: true}, nil
	}
	wrong := job.E(job.InvalidArgument, "Last-Event-ID", errors.New("it is not the id of an event"), "send an id as an event had it, 0 for all that is remembered, or none")
	parts := strings.Split(id, idSeparator)
	if len(id) > maxID || len(parts) != 2 && (len(parts) != 3 || parts[2] != idEnd) {
		return heard{}, wrong
	}
	if _, err := strconv.ParseUint(parts[0], 36, 64); err != nil {
		return heard{}, wrong
	}
	number, err := strconv.ParseUint(parts[1], 10, 63)
	if err != nil {
		return heard{}, wrong
	}
	k := heard{given: true, after: int64(number), end: len(parts) == 3}
	k.ours = parts[0] == h.start && k.after <= h.number.Load()
	return k, nil
}

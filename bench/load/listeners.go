package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
)

// ListenersConfig is what streams of events are measured with.
type ListenersConfig struct {
	Bin       string // the folder of the programs
	Listeners int    // of one job
	Tasks     int    // of the job
	Turns     int
}

// Listened is what came of a job that some listened to, over all turns.
type Listened struct {
	Listeners int
	// Delays are the times from a task's end to when a listener heard of it, sorted.
	Delays []time.Duration
	Events int           // that all listeners together heard
	Resets int           // of them, those that tell of lost ones
	CPU    time.Duration // of the server, while the job ran
	Took   time.Duration // the job itself
	Memory int64         // bytes that the server had resident beforehand, with all who listen
}

// Quantile is the delay below which a part of them lies; 0 where there are none.
func (l Listened) Quantile(part float64) time.Duration {
	if len(l.Delays) == 0 {
		return 0
	}
	return l.Delays[min(len(l.Delays)-1, int(part*float64(len(l.Delays))))]
}

// MeasureListeners has jobs run on two nodes while one listener, and in turns many, hear
// each of its tasks; memory is what the server has resident before anybody listens.
// Errors: NotFound (programs); plain, with the ends of the logs, where one fails.
func MeasureListeners(ctx context.Context, c ListenersConfig) (one, many Listened, memory int64, err error) {
	lab, err := NewLab(c.Bin)
	if err != nil {
		return one, many, 0, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	web, err := lab.ports.freeAddr()
	if err != nil {
		return one, many, 0, err
	}
	// Each task waits 50 ms, eight at once: the job takes its time, and the nodes no CPU.
	pool := Pool{
		Loads: []float64{1, 1}, NodeArgs: []string{"--delay", "50ms"}, HTTP: web,
		ServerArgs: []string{"--demo", "--window", "8", "--policy", "random"},
	}
	cluster, err := lab.Start(ctx, pool)
	if err != nil {
		return one, many, 0, err
	}
	defer cluster.Stop()
	h := hall{cluster: cluster, web: web, tasks: c.Tasks}
	if h.token, err = login(ctx, web); err != nil {
		return one, many, 0, failure(err, cluster.server)
	}
	one.Listeners, many.Listeners = 1, c.Listeners
	for turn := range c.Turns + 1 { // the first warms up
		for _, l := range []*Listened{&one, &many} {
			if turn == 0 && l == &many {
				memory = h.memory()
				continue
			}
			if turn == 0 {
				l = &Listened{Listeners: 1}
			}
			if err := h.turn(ctx, l); err != nil {
				return one, many, 0, failure(err, cluster.server)
			}
		}
	}
	slices.Sort(one.Delays)
	slices.Sort(many.Delays)
	return one, many, memory, nil
}

// hall is where jobs run that many listen to.
type hall struct {
	cluster    *Cluster
	web, token string
	tasks      int
	turns      int
}

// memory is what the server has resident, in bytes.
func (h *hall) memory() int64 {
	return residentPages(h.cluster.server.cmd.Process.Pid) * int64(os.Getpagesize())
}

// drain keeps work from all nodes, or gives them some again.
func (h *hall) drain(ctx context.Context, on bool) error {
	for i := range h.cluster.nodes {
		if err := h.cluster.conn().Drain(ctx, job.NodeID(nodeName(i)), on); err != nil {
			return err
		}
	}
	return nil
}

// turn has one job run while some listen. The nodes take no work until all do.
func (h *hall) turn(ctx context.Context, l *Listened) error {
	h.turns++
	base, err := h.cluster.lab.Empty(ctx, fmt.Sprintf("heard-%d", h.turns), h.tasks)
	if err != nil {
		return err
	}
	if err := h.drain(ctx, true); err != nil {
		return err
	}
	op, err := job.ParseOperation(job.NoOperation)
	if err != nil {
		return err
	}
	id, err := h.cluster.conn().Submit(ctx, job.Spec{Source: base, Operation: op})
	if err != nil {
		return err
	}
	listeners := make([]*listener, l.Listeners)
	defer func() {
		for _, one := range listeners {
			if one != nil {
				one.conn.Close()
			}
		}
	}()
	for i := range listeners {
		if listeners[i], err = h.listen(ctx, id); err != nil {
			return err
		}
	}
	l.Memory = max(l.Memory, h.memory())
	pid := h.cluster.server.cmd.Process.Pid
	cpu, begun := cpuTime(pid), time.Now()
	var all errgroup.Group
	for _, one := range listeners {
		all.Go(one.hear)
	}
	if err := h.drain(ctx, false); err != nil {
		return err
	}
	if err := all.Wait(); err != nil {
		return err
	}
	l.Took, l.CPU = l.Took+time.Since(begun), l.CPU+cpuTime(pid)-cpu
	for _, one := range listeners {
		if one.tasks != h.tasks {
			return fmt.Errorf("a listener heard of %d tasks out of %d", one.tasks, h.tasks)
		}
		l.Delays = append(l.Delays, one.delays...)
		l.Events += one.events
		l.Resets += one.resets
	}
	return nil
}

// listener is one stream of events.
type listener struct {
	conn   net.Conn
	in     *bufio.Reader
	delays []time.Duration
	events int
	resets int
	tasks  int // heard of, one by one or as skipped
}

// listen opens a stream of a job's events, and hears how it stands.
func (h *hall) listen(ctx context.Context, id job.ID) (*listener, error) {
	const patience = 2 * time.Minute // for all of it
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.web)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(patience))
	l := &listener{conn: nc, in: bufio.NewReader(nc)}
	if _, err := fmt.Fprintf(nc, "GET /jobs/%s/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", id, h.token); err != nil {
		return l, err
	}
	first, err := l.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, "HTTP/1.1 200 ") {
		return l, errors.Join(fmt.Errorf("the stream is refused: %q", first), err)
	}
	for line := first; line != "\r\n"; { // the rest of the head
		if line, err = l.in.ReadString('\n'); err != nil {
			return l, err
		}
	}
	l.in = bufio.NewReaderSize(httputil.NewChunkedReader(l.in), lineBytes)
	for {
		line, err := l.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return l, err
		case bytes.HasPrefix(line, []byte("event: state")):
			return l, nil
		}
	}
}

// lineBytes is more than the beginning of a line that matters.
const lineBytes = 2 << 10

// hear reads to the end of the job.
func (l *listener) hear() error {
	kind := ""
	for {
		line, err := l.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("the stream breaks off: %w", err)
		}
		if rest, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			l.events++
			kind = string(bytes.TrimSpace(rest))
			continue
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		if kind == "end" {
			return nil
		}
		l.note(kind, data, time.Now())
	}
}

// note counts an event.
func (l *listener) note(kind string, data []byte, now time.Time) {
	switch kind {
	case "task":
		l.tasks++
		_, rest, _ := bytes.Cut(data, []byte(`"at":"`))
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			l.delays = append(l.delays, now.Sub(at))
		}
	case "progress":
		var p struct{ Skipped int }
		if json.Unmarshal(data, &p) == nil {
			l.tasks += p.Skipped
		}
	case "reset":
		l.resets++
	}
}

// login is a token of the account that --demo adds.
func login(ctx context.Context, web string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+web+"/login", http.NoBody)
	if err != nil {
		return "", err
	}
	r.SetBasicAuth("username", "password")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("login: %s", answer.Status)
	}
	var in struct{ Token string }
	return in.Token, json.NewDecoder(answer.Body).Decode(&in)
}

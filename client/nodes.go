package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"spillway/job"
	"spillway/view"
)

const (
	// watchPause is the time between two looks of --watch.
	watchPause = time.Second
	// nodeColumns is how wide a list of nodes may be without --wide.
	nodeColumns = 120
	// redraw takes a terminal's cursor home, and clears what is below.
	redraw = "\x1b[H\x1b[J"
)

// nodes lists the compute nodes; with --watch, every second until ctx ends.
func (s *session) nodes(ctx context.Context) error {
	for first := true; ; first = false {
		all, err := s.conn.Nodes(ctx)
		switch {
		case ctx.Err() != nil && s.cfg.nodes.watch:
			return nil
		case err != nil:
			return err
		}
		if err := s.showNodes(all, first); err != nil || !s.cfg.nodes.watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPause):
		}
	}
}

// showNodes prints one list, in place of the one before where that can be done.
func (s *session) showNodes(all []job.Node, first bool) error {
	switch {
	case s.cfg.json:
		return printEach(s, all, view.OfNode)
	case s.cfg.nodes.watch && s.out.screen:
		fmt.Fprint(s.out.stdout, redraw)
	case !first:
		fmt.Fprintln(s.out.stdout)
	}
	printNodes(s.out.stdout, all, s.cfg.nodes.wide)
	return nil
}

// printNodes prints a row a node, and below them what else there is to say.
func printNodes(w io.Writer, all []job.Node, wide bool) {
	t := table{text: 4}
	head := []string{"node", "address", "state", "tags", "cores", "RAM", "disk", "GPU", "CPU%", "mem%", "net/s", "tasks", "p50/p99 ms"}
	if wide {
		head = append(head[:len(head)-1], "p50 ms", "p99 ms", "mean ms", "queued", "delayed", "sent", "out/s", "in/s", "joined", "GPU model", "system")
	}
	t.row(head...)
	var notes []string
	for _, n := range all {
		t.row(nodeRow(n, wide)...)
		if n.Basic {
			notes = append(notes, string(n.ID)+": speaks only execute and delayed_execute")
		}
		if n.Err != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", n.ID, n.Err))
		}
	}
	if !wide {
		t.fit(nodeColumns, 0, 1, 3)
	}
	t.print(w)
	for _, note := range notes {
		fmt.Fprintln(w, note)
	}
}

// nodeRow is what a list shows of a node; - where it is not known, or not so now.
func nodeRow(n job.Node, wide bool) []string {
	m, use, on := n.Machine, n.Load.Usage, n.State != job.Inaccessible && !n.Basic
	measured := on && use != (job.Usage{})
	row := []string{
		string(n.ID), n.Addr, string(n.State), or(strings.Join(n.Tags, ","), true),
		or(strconv.Itoa(m.Cores), m.Cores > 0), or(size(m.Memory), m.Memory > 0), or(size(use.DiskFree), measured),
		or("yes", m.GPU != ""), or(percent(use.CPU), measured), or(percent(use.Memory), measured),
		or(size(use.Sent+use.Received), measured), or(fmt.Sprintf("%d/%d", n.Load.Running, n.Load.Slots), on),
	}
	called := n.Link.P50 > 0
	p50, p99 := or(short(n.Link.P50), called), or(short(n.Link.P99), called)
	if !wide {
		return append(row, or(p50+"/"+p99, called))
	}
	return append(row, p50, p99, or(short(n.Load.Mean), on), or(strconv.Itoa(n.Load.Queued), on), or(strconv.Itoa(n.Load.Delayed), on),
		strconv.Itoa(n.Outstanding), or(size(use.Sent), measured), or(size(use.Received), measured),
		or("itself", n.Registered), or(m.GPU, true), or(m.System, true))
}

// or is text where it is known, and there is any.
func or(text string, known bool) string {
	if !known || text == "" {
		return "-"
	}
	return text
}

// short is a time in milliseconds in at most five characters, while it is below
// a hundred seconds.
func short(d time.Duration) string {
	if v := view.Milliseconds(d); v < 100 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// size is a number of bytes in at most four characters: 512, 1.5K, 62G.
func size(bytes int64) string {
	v, unit := float64(bytes), 0
	for v >= 999.5 && unit < 6 {
		v /= 1024
		unit++
	}
	switch {
	case unit == 0:
		return strconv.FormatInt(bytes, 10)
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + "KMGTPE"[unit-1:unit]
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + "KMGTPE"[unit-1:unit]
}

// findNode is the node of that name: of two, the one that came last.
// Errors: NotFound.
func (s *session) findNode(ctx context.Context, name string) (found job.Node, err error) {
	all, err := s.conn.Nodes(ctx)
	if err != nil {
		return found, err
	}
	for _, n := range all {
		if string(n.ID) == name {
			found = n
		}
	}
	if found.ID == "" {
		return found, job.E(job.NotFound, "node "+job.Shown(name), errors.New("no such node"), "list the nodes with: client nodes")
	}
	return found, nil
}

// fit shortens the cells of the given columns, the widest first, until the table
// is no wider than most, or they cannot be shortened any more.
func (t *table) fit(most int, columns ...int) {
	const least = 6
	widths := make([]int, len(t.rows[0]))
	total := 2 * (len(widths) - 1)
	for i := range widths {
		for _, cells := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		total += widths[i]
	}
	for ; total > most; total-- {
		widest := columns[0]
		for _, c := range columns {
			if widths[c] > widths[widest] {
				widest = c
			}
		}
		if widths[widest] <= least {
			break
		}
		widths[widest]--
	}
	for _, cells := range t.rows {
		for _, c := range columns {
			if runes := []rune(cells[c]); len(runes) > widths[c] {
				cells[c] = string(runes[:widths[c]-1]) + "…"
			}
		}
	}
}

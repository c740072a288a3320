package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"spillway/job"
	"spillway/view"
)

// node shows one node in full, with the end of its log, or runs a command on its files.
func (s *session) node(ctx context.Context) error {
	if s.cfg.node.command != "" {
		return s.nodeFiles(ctx)
	}
	n, err := s.findNode(ctx, s.cfg.arg)
	if err != nil {
		return err
	}
	var text []string
	untold := error(nil) // why there is no log
	if n.State != job.Inaccessible && s.cfg.nodes.lines > 0 {
		text, untold = s.conn.NodeLog(ctx, n.ID, s.cfg.nodes.lines)
	}
	if s.cfg.json {
		v := view.OfNode(n)
		v.Log = text
		return s.printJSON(v)
	}
	s.printNode(n)
	if untold != nil {
		fmt.Fprintln(s.out.stdout, "\nno log:", job.Describe(untold))
	}
	if len(text) > 0 {
		fmt.Fprintln(s.out.stdout, "\nthe end of its log:")
		for _, line := range text {
			fmt.Fprintln(s.out.stdout, "  "+printable(line))
		}
	}
	return nil
}

// printNode prints all that is known of a node, a line each.
func (s *session) printNode(n job.Node) {
	use, l := n.Load.Usage, n.Link
	t := table{text: 2}
	t.row("node", string(n.ID))
	t.row("address", n.Addr)
	t.row("state", fmt.Sprintf("%s since %s", n.State, n.Since.Local().Format(time.DateTime)))
	if n.Err != "" {
		t.row("error", n.Err)
	}
	t.row("from", map[bool]string{true: "joined by itself", false: "machine.txt"}[n.Registered])
	t.row("tags", or(strings.Join(n.Tags, ","), true))
	if n.Basic {
		t.row("speaks", "only execute and delayed_execute")
	}
	if m := n.Machine; m != (job.Machine{}) {
		t.row("machine", fmt.Sprintf("%d cores, %s RAM, %s", m.Cores, size(m.Memory), m.System))
		t.row("GPU", or(m.GPU, true))
	}
	if use != (job.Usage{}) {
		t.row("in use", fmt.Sprintf("CPU %.1f %%, memory %.1f %%, free disk %s", use.CPU, use.Memory, size(use.DiskFree)))
		t.row("network", fmt.Sprintf("%s/s out, %s/s in", size(use.Sent), size(use.Received)))
	}
	t.row("tasks", fmt.Sprintf("%d running in %d slots, %d queued, %d delayed, %d sent and not answered",
		n.Load.Running, n.Load.Slots, n.Load.Queued, n.Load.Delayed, n.Outstanding))
	t.row("mean", short(n.Load.Mean)+" ms")
	for _, name := range slices.Sorted(maps.Keys(n.Load.Operations)) {
		t.row("  "+name, short(n.Load.Operations[name])+" ms")
	}
	t.row("link", fmt.Sprintf("%d calls, %d errors, %s sent, %s received, %d connections, p50 %s ms, p99 %s ms",
		l.Calls, l.Errors, size(l.BytesSent), size(l.BytesReceived), l.Conns, short(l.P50), short(l.P99)))
	t.print(s.out.stdout)
}

// printable is a line without what a terminal would obey.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, line)
}

// drain lets a node finish what it has, or with --undo take work again.
func (s *session) drain(ctx context.Context) error {
	if err := s.conn.Drain(ctx, job.NodeID(s.cfg.arg), !s.cfg.nodes.undo); err != nil {
		return err
	}
	n, err := s.findNode(ctx, s.cfg.arg)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return s.printJSON(view.OfNode(n))
	}
	printNodes(s.out.stdout, []job.Node{n}, s.cfg.nodes.wide)
	return nil
}

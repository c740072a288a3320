package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// nodesConfig is what the commands about nodes ask for.
type nodesConfig struct {
	watch bool
	wide  bool
	undo  bool
	lines int
}

// maxLogLines is how many lines a node keeps.
const maxLogLines = 1000

// newNodesFlags describes the flags of the commands about nodes.
func newNodesFlags(flags *pflag.FlagSet, c *nodesConfig) {
	flags.BoolVar(&c.watch, "watch", false, "nodes: list them again every second, until Ctrl-C")
	flags.BoolVar(&c.wide, "wide", false, "nodes: every column, however wide that gets")
	flags.IntVar(&c.lines, "lines", 20, "node: how many lines of its log to show, at most 1000")
	flags.BoolVar(&c.undo, "undo", false, "drain: let the node take work again")
}

// check reports what cannot be shown. Errors: InvalidArgument.
func (c nodesConfig) check() error {
	if c.lines < 0 || c.lines > maxLogLines {
		return bad(fmt.Sprintf("--lines %d is not within 0 to %d", c.lines, maxLogLines))
	}
	return nil
}

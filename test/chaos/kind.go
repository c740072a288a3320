package main

import (
	"slices"
	"time"
)

// kind is a kind of fault.
type kind string

// The kinds of faults, of which docs/faults.md tells more.
const (
	killNode      kind = "kill-node"
	killServer    kind = "kill-server"
	takeOver      kind = "take-over"
	freezeNode    kind = "freeze-node"
	freezeServer  kind = "freeze-server"
	zombieServer  kind = "zombie-server"
	partition     kind = "partition"
	halfOpen      kind = "half-open"
	badNetwork    kind = "bad-network"
	fullState     kind = "full-state"
	fullOutput    kind = "full-output"
	fullWorkspace kind = "full-workspace"
	killDatabase  kind = "kill-database"
	crashAfter    kind = "crash-after"
	clockJump     kind = "clock-jump"
)

// means are what a run needs of its machine.
type means struct {
	hosts, mounts, postgres, clock bool
}

// trait is what a kind asks of the run that it strikes.
type trait struct {
	kind
	// What the cluster must be like.
	postgres, sqlite, network bool
	servers                   int // 0: any number
	nodes                     int // 0: any number
	mount                     bool
	clock                     bool // the database's clock can be set
	// Whom it strikes. A kind that is extra may strike beside another one.
	node, server, extra bool
	// How long it lasts: at least, and how much more at most.
	least, more time.Duration
}

// traits of all kinds that plans are drawn from. The order is part of what a seed
// means.
func traits() []trait {
	const ms = time.Millisecond
	return []trait{
		{kind: killNode, node: true, extra: true, least: 300 * ms, more: 2000 * ms},
		{kind: killServer, server: true, extra: true, least: 100 * ms, more: 1500 * ms},
		{kind: takeOver, postgres: true, servers: 2, server: true},
		{kind: freezeNode, node: true, extra: true, least: 5000 * ms},
		{kind: freezeServer, server: true, extra: true, least: 5000 * ms},
		{kind: zombieServer, postgres: true, servers: 2, server: true, least: 10_000 * ms},
		{kind: partition, network: true, node: true, extra: true, least: 5000 * ms},
		{kind: halfOpen, network: true, node: true, extra: true, least: 5000 * ms},
		{kind: badNetwork, network: true, extra: true, least: 8000 * ms},
		{kind: fullState, sqlite: true, mount: true, extra: true, least: 1000 * ms, more: 2000 * ms},
		{kind: fullOutput, mount: true, least: 1000 * ms, more: 2000 * ms},
		{kind: killDatabase, postgres: true, extra: true, least: 100 * ms, more: 2000 * ms},
		{kind: crashAfter, nodes: 12},
		{kind: clockJump, postgres: true, clock: true},
		{kind: fullWorkspace, mount: true, node: true, least: 1000 * ms, more: 2000 * ms},
	}
}

// traitOf finds a kind's.
func traitOf(k kind) trait {
	all := traits()
	return all[slices.IndexFunc(all, func(t trait) bool { return t.kind == k })]
}

// suits tells that a fault of this kind can strike the cluster of p, beside those
// that do.
func (t trait) suits(p plan) bool {
	switch {
	case t.postgres && !p.postgres, t.sqlite && p.postgres, t.network && !p.network:
		return false
	case t.server && slices.ContainsFunc(p.faults, func(f fault) bool { return traitOf(f.kind).server }):
		return false // one strikes the servers already
	case slices.ContainsFunc(p.faults, func(f fault) bool { return f.kind == t.kind }):
		return false
	}
	return t.extra
}

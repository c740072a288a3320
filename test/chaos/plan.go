package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// plan is one run: a cluster, a job, and what happens to them. It is a function of
// its seed alone.
type plan struct {
	seed      uint64
	kind      kind // what the run is about; others may strike beside it
	servers   int
	postgres  bool // the servers share a database; else there is one, with SQLite
	clock     bool // the database's clock can be set
	network   bool // each program is on a host of its own, and packets pass between them
	nodes     []nodePlan
	inputs    int
	operation string
	policy    string
	window    int
	faults    []fault
}

// nodePlan is one compute node.
type nodePlan struct {
	load     float64
	delay    time.Duration
	isolated bool // works in child processes
	blind    bool // cannot see the job's folder
}

// fault is one thing that goes wrong: at a time after the first task was done,
// and for so long.
type fault struct {
	kind
	node      int // the node that is struck, where one is
	at, lasts time.Duration
	jump      time.Duration // of a clock
}

// How long a job takes where nothing goes wrong, about: long enough for faults to
// strike it.
const aJob = 5 * time.Second

// draw makes the plan of a seed. As many seeds in a row as there are kinds have
// each kind once.
func draw(seed uint64) plan {
	all := traits()
	return drawKind(seed, all[seed%uint64(len(all))])
}

func drawKind(seed uint64, main trait) plan {
	rng := rand.New(rand.NewPCG(seed, 0xc4a05))
	p := plan{seed: seed, kind: main.kind, servers: 1, clock: main.clock}
	p.postgres = main.postgres || !main.sqlite && rng.IntN(4) == 0
	p.network = main.network || rng.IntN(4) == 0
	if p.postgres && main.kind != crashAfter {
		p.servers = 1 + rng.IntN(2)
	}
	if main.servers > 0 {
		p.servers = main.servers
	}
	size := 3 + rng.IntN(4)
	if main.nodes > 0 {
		size = main.nodes
	}
	mean := time.Duration(0)
	for range size {
		n := drawNode(rng)
		n.blind = rng.IntN(4) == 0
		mean += time.Duration(n.load * float64(n.delay))
		p.nodes = append(p.nodes, n)
	}
	mean /= time.Duration(size)
	p.inputs = 150 + rng.IntN(maxInputs-149)
	p.window = min(max(int(float64(p.inputs)*float64(mean)/float64(aJob)), 4), 64)
	p.operation = operations[rng.IntN(len(operations))]
	p.policy = []string{"random", "balance"}[rng.IntN(2)]
	p.drawFaults(rng, main)
	return p
}

func drawNode(rng *rand.Rand) nodePlan {
	n := nodePlan{isolated: rng.IntN(4) > 0, delay: time.Duration(100+rng.IntN(500)) * time.Millisecond}
	if rng.IntN(4) > 0 {
		n.load = float64(2+rng.IntN(7)) / 10
	}
	return n
}

// drawFaults adds a fault of the main kind, and up to two others that suit it.
func (p *plan) drawFaults(rng *rand.Rand, main trait) {
	targets := rng.Perm(len(p.nodes))
	add := func(t trait) {
		f := fault{kind: t.kind, node: -1, at: time.Duration(rng.IntN(2500)) * time.Millisecond, lasts: t.least}
		if t.more > 0 {
			f.lasts += time.Duration(rng.Int64N(int64(t.more))).Round(time.Millisecond)
		}
		if t.node || t.kind == crashAfter {
			f.node, targets = targets[0], targets[1:]
		}
		if t.clock {
			f.jump = []time.Duration{time.Hour, -time.Hour}[rng.IntN(2)]
		}
		p.faults = append(p.faults, f)
	}
	add(main)
	if main.kind == crashAfter {
		add(main)
	}
	if main.kind == clockJump && p.faults[0].jump < 0 { // or a lease that lies far ahead is soon renewed
		add(traitOf(killServer))
		p.faults[1].at = p.faults[0].at + 50*time.Millisecond
	}
	all := traits()
	for range rng.IntN(3) {
		if t := all[rng.IntN(len(all))]; t.suits(*p) && len(targets) > 1 {
			add(t)
		}
	}
	if main.kind == fullWorkspace {
		p.nodes[p.faults[0].node].blind = true
	}
}

// needs are what the plan asks of its machine.
func (p plan) needs() means {
	m := means{hosts: p.network, postgres: p.postgres, clock: p.clock}
	for _, f := range p.faults {
		m.mounts = m.mounts || traitOf(f.kind).mount
	}
	return m
}

// has tells that the plan has a fault of this kind.
func (p plan) has(k kind) bool {
	for _, f := range p.faults {
		if f.kind == k {
			return true
		}
	}
	return false
}

// String tells all of the plan, in a few lines.
func (p plan) String() string {
	var b strings.Builder
	where := "loopback"
	if p.network {
		where = "a host each"
	}
	db := "SQLite"
	if p.postgres {
		db = "PostgreSQL"
	}
	fmt.Fprintf(&b, "seed %d, %s: %d servers with %s, %d nodes, %s; %d inputs, %s, %s, window %d\n",
		p.seed, p.kind, p.servers, db, len(p.nodes), where, p.inputs, p.operation, p.policy, p.window)
	for i, n := range p.nodes {
		fmt.Fprintf(&b, "  node_%d: load %.1f, delay %v, child processes %v, blind %v\n", i, n.load, n.delay, n.isolated, n.blind)
	}
	for _, f := range p.faults {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	return b.String()
}

// String tells the fault in a line.
func (f fault) String() string {
	s := string(f.kind)
	if f.node >= 0 {
		s += fmt.Sprintf(" node_%d", f.node)
	}
	if f.jump != 0 {
		s += fmt.Sprintf(" by %v", f.jump)
	}
	return s + fmt.Sprintf(" at %v for %v", f.at, f.lasts)
}

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/job"
	"spillway/rpc"
)

// startTimeout is how long the programs may take until all answer.
const startTimeout = 30 * time.Second

// pool says what to start.
type pool struct {
	loads      []float64 // load probability of each node
	nodeArgs   []string  // of every node
	nodeEnv    []string  // of every node, beside the benchmark's own
	serverArgs []string
}

// cluster is a server and its nodes, which run.
type cluster struct {
	bench   *bench
	addr    string // of the server
	server  *process
	nodes   []*process
	conn    *rpc.ServiceConn
	started string // the commands, for the record
}

// start starts the nodes and the server, and returns when all answer. The caller
// stops the cluster.
func (b *bench) start(ctx context.Context, p pool) (*cluster, error) {
	c := &cluster{bench: b}
	err := c.launch(p)
	if err == nil {
		err = c.ready(ctx)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// launch starts the processes of the cluster.
func (c *cluster) launch(p pool) error {
	b := c.bench
	dir, err := os.MkdirTemp(b.dir, "cluster-")
	if err != nil {
		return err
	}
	names, addrs, err := machines(dir, len(p.loads))
	if err != nil {
		return err
	}
	for i, load := range p.loads {
		args := append([]string{fmt.Sprint(load), "--name", names[i], "--seed", strconv.FormatUint(b.Seed+uint64(i), 10)}, p.nodeArgs...)
		node, err := start(names[i], dir, p.nodeEnv, filepath.Join(b.Bin, "computenode"), append(args, "--root", b.dir)...)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, node)
	}
	args := append([]string{"--seed", strconv.FormatUint(b.Seed, 10), "--log-level", "warn"}, p.serverArgs...)
	if c.server, err = start("server", dir, nil, filepath.Join(b.Bin, "server"), append(args, "--root", b.dir)...); err != nil {
		return err
	}
	each := slices.Concat(p.nodeEnv, []string{"computenode P --name node_I --seed", fmt.Sprintf("%d+I", b.Seed)}, p.nodeArgs)
	c.started = strings.Join(each, " ") + " for P of " + spell(p.loads) + "; server " + strings.Join(args, " ")
	c.addr = addrs[0]
	c.conn = rpc.NewServiceConn(c.addr, nil)
	return nil
}

// machines writes machine.txt with a server and n nodes on free ports. The first
// address is the server's.
func machines(dir string, n int) (names, addrs []string, err error) {
	var lines strings.Builder
	var listeners []net.Listener // held together, so that no port comes twice
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for i := range n + 1 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
		name := "server"
		if i > 0 {
			name = fmt.Sprintf("node_%d", i-1)
			names = append(names, name)
		}
		fmt.Fprintf(&lines, "%s %s\n", name, l.Addr())
	}
	return names, addrs, os.WriteFile(filepath.Join(dir, "machine.txt"), []byte(lines.String()), 0o644)
}

// ready waits until the server answers and has heard from every node.
func (c *cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		nodes, err := c.conn.Nodes(ctx)
		idle := 0
		for _, n := range nodes {
			if n.State == job.Idle {
				idle++
			}
		}
		if err == nil && idle == len(c.nodes) {
			return nil
		}
		for _, p := range c.all() {
			if p.hasEnded() {
				return failure(errors.New(p.name+" ended at once"), p)
			}
		}
		select {
		case <-ctx.Done():
			return failure(fmt.Errorf("the programs do not answer after %v", startTimeout), c.all()...)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// all are the processes that were started.
func (c *cluster) all() []*process {
	all := c.nodes
	if c.server != nil {
		all = append([]*process{c.server}, all...)
	}
	return all
}

// stop ends all of them, the server first.
func (c *cluster) stop() {
	if c.conn != nil {
		c.conn.Close()
	}
	for _, p := range c.all() {
		p.stop()
	}
}

// outcome is what one call of the client came to.
type outcome struct {
	Done    int64  `json:"done"`
	State   string `json:"state"`
	took    time.Duration
	cpu     time.Duration // of the client itself
	command string
}

// client runs bin/client on a folder, to its end, and checks that all of its
// inputs are done.
func (c *cluster) client(ctx context.Context, folder string, inputs int, flags ...string) (outcome, error) {
	args := append([]string{"--server", c.addr, "--json", "--quiet"}, flags...)
	cmd := exec.CommandContext(ctx, filepath.Join(c.bench.Bin, "client"), append(args, folder)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	o := outcome{took: time.Since(start), command: c.started + "; " + strings.Join(append(append([]string{"client"}, flags...), "DIR"), " ")}
	if cmd.ProcessState == nil {
		return o, missing(cmd.Path, err)
	}
	o.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err == nil {
		err = json.Unmarshal([]byte(stdout.String()), &o)
	}
	if err != nil || o.Done != int64(inputs) {
		err = errors.Join(fmt.Errorf("the client did %d of %d tasks: %s%.2000s", o.Done, inputs, stderr.String(), stdout.String()), err)
		return o, failure(err, c.all()...)
	}
	return o, nil
}

// cpu is the CPU time that each part of the cluster has used until now.
func (c *cluster) cpu() map[string]time.Duration {
	used := map[string]time.Duration{"server": cpuTime(c.server.cmd.Process.Pid)}
	for _, n := range c.nodes {
		used["nodes"] += cpuTime(n.cmd.Process.Pid)
		for _, child := range children(n.cmd.Process.Pid) {
			used["child processes"] += cpuTime(child)
		}
	}
	return used
}

package load

import (
	"cmp"
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
	"sync"
	"sync/atomic"
	"time"

	"spillway/job"
	"spillway/rpc"
)

const (
	// startTimeout is how long the programs may take until all answer.
	startTimeout = 30 * time.Second
	// connections to the server, so that many calls wait at once.
	connections = 4
)

// Pool says what to start.
type Pool struct {
	Loads      []float64 // load probability of each node
	NodeArgs   []string  // of every node
	NodeEnv    []string  // of every node, beside the benchmark's own
	ServerArgs []string
	HTTP       string // HOST:PORT of the server's HTTP API; "": there is none
	// Seed makes the draws of the server, and with the number of the node added those
	// of the nodes, reproducible.
	Seed uint64
}

// Cluster is a server and its nodes, which run. Its methods may be called
// concurrently, but for those that start and stop.
type Cluster struct {
	lab     *Lab
	pool    Pool
	dir     string
	addr    string   // of the server
	homes   []string // addresses of the nodes
	server  *process
	nodes   []*process
	conns   []*rpc.ServiceConn
	turn    atomic.Int64 // of the connections
	started string       // the commands, for the record
}

// Start starts the nodes and the server, and returns when all answer. The caller
// stops the cluster. Errors: NotFound (programs); plain, with the ends of the logs,
// where one fails.
func (l *Lab) Start(ctx context.Context, p Pool) (*Cluster, error) {
	c := &Cluster{lab: l, pool: p}
	err := c.launch(ctx)
	if err == nil {
		err = c.ready(ctx)
	}
	if err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// launch starts the processes of the cluster.
func (c *Cluster) launch(ctx context.Context) (err error) {
	p := c.pool
	if c.dir, err = os.MkdirTemp(c.lab.dir, "cluster-"); err != nil {
		return err
	}
	if c.addr, c.homes, err = c.lab.machines(c.dir, len(p.Loads)); err != nil {
		return err
	}
	for i := range p.Loads {
		node, err := c.startNode(i)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, node)
	}
	// A server that finds no node at home looks again only after a second.
	if err := c.listening(ctx, c.homes...); err != nil {
		return err
	}
	args := append([]string{"--seed", strconv.FormatUint(p.Seed, 10), "--log-level", "warn"}, p.ServerArgs...)
	if c.server, err = start("server", c.dir, nil, filepath.Join(c.lab.bin, "server"), append(args, "--http", cmp.Or(p.HTTP, "off"), "--root", c.lab.dir)...); err != nil {
		return err
	}
	each := slices.Concat(p.NodeEnv, []string{"computenode P --name node_I --seed", fmt.Sprintf("%d+I", p.Seed)}, p.NodeArgs)
	c.started = strings.Join(each, " ") + " for P of " + spell(p.Loads) + "; server " + strings.Join(args, " ")
	// A connection that has been refused refuses calls for a while.
	if err := c.listening(ctx, c.addr); err != nil {
		return err
	}
	for range connections {
		c.conns = append(c.conns, rpc.NewServiceConn(c.addr, nil))
	}
	return nil
}

// startNode starts the process of node i.
func (c *Cluster) startNode(i int) (*process, error) {
	p := c.pool
	args := append([]string{fmt.Sprint(p.Loads[i]), "--name", nodeName(i), "--seed", strconv.FormatUint(p.Seed+uint64(i), 10)}, p.NodeArgs...)
	return start(nodeName(i), c.dir, p.NodeEnv, filepath.Join(c.lab.bin, "computenode"), append(args, "--root", c.lab.dir)...)
}

// nodeName is the name of node i.
func nodeName(i int) string { return fmt.Sprintf("node_%d", i) }

// machines writes machine.txt with a server and n nodes on free ports.
func (l *Lab) machines(dir string, n int) (server string, nodes []string, err error) {
	if server, err = l.ports.freeAddr(); err != nil {
		return "", nil, err
	}
	lines := strings.Builder{}
	fmt.Fprintf(&lines, "server %s\n", server)
	for i := range n {
		addr, err := l.ports.freeAddr()
		if err != nil {
			return "", nil, err
		}
		nodes = append(nodes, addr)
		fmt.Fprintf(&lines, "%s %s\n", nodeName(i), addr)
	}
	return server, nodes, os.WriteFile(filepath.Join(dir, "machine.txt"), []byte(lines.String()), 0o644)
}

// listening waits until somebody listens at every address.
func (c *Cluster) listening(ctx context.Context, addrs ...string) error {
	return c.await(ctx, func(ctx context.Context) bool {
		for _, addr := range addrs {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return false
			}
			conn.Close()
		}
		return true
	})
}

// ready waits until the server answers and has heard from every node.
func (c *Cluster) ready(ctx context.Context) error {
	return c.await(ctx, func(ctx context.Context) bool {
		nodes, err := c.conn().Nodes(ctx)
		idle := 0
		for _, n := range nodes {
			if n.State == job.Idle && slices.Contains(c.homes, n.Addr) { // and no other cluster's
				idle++
			}
		}
		return err == nil && idle == len(c.nodes)
	})
}

// await waits until ready says so. Errors: plain, with the ends of the logs, where a
// program ends or all of it takes too long.
func (c *Cluster) await(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !ready(ctx) {
		for _, p := range c.all() {
			if p.hasEnded() {
				return failure(errors.New(p.name+" ended at once"), p)
			}
		}
		pause(ctx, 5*time.Millisecond)
		if ctx.Err() != nil {
			return failure(fmt.Errorf("the programs do not answer after %v", startTimeout), c.all()...)
		}
	}
	return nil
}

// all are the processes that were started.
func (c *Cluster) all() []*process {
	all := c.nodes
	if c.server != nil {
		all = append([]*process{c.server}, all...)
	}
	return all
}

// conn is one of the connections to the server, in turn.
func (c *Cluster) conn() *rpc.ServiceConn { return c.conns[c.turn.Add(1)%int64(len(c.conns))] }

// Stop ends all of them, the server first.
func (c *Cluster) Stop() {
	for _, conn := range c.conns {
		conn.Close()
	}
	if c.server != nil {
		c.server.stop()
	}
	var stops sync.WaitGroup
	for _, p := range c.nodes {
		stops.Go(p.stop)
	}
	stops.Wait()
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
func (c *Cluster) client(ctx context.Context, folder string, inputs int, flags ...string) (outcome, error) {
	args := append([]string{"--server", c.addr, "--json", "--quiet"}, flags...)
	cmd := exec.CommandContext(ctx, filepath.Join(c.lab.bin, "client"), append(args, folder)...)
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
func (c *Cluster) cpu() map[string]time.Duration {
	used := map[string]time.Duration{"server": cpuTime(c.server.cmd.Process.Pid)}
	for _, n := range c.nodes {
		used["nodes"] += cpuTime(n.cmd.Process.Pid)
		for _, child := range children(n.cmd.Process.Pid) {
			used["child processes"] += cpuTime(child)
		}
	}
	return used
}

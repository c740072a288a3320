package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// cluster is the programs of one run, its folder and its network.
type cluster struct {
	kit     *kit
	plan    plan
	dir     string
	hosts   []*host
	wires   *wires // nil: the programs are on one host
	db      *database
	servers []*process
	nodes   []*process
	addrs   []string // of the servers
	mounts  []string
	id      job.ID // of the job, once it was submitted

	mu    sync.Mutex // guards what follows
	notes []string   // what was done to the cluster, and when
	begun time.Time
	kills []time.Time   // of a server that stays away
	gap   time.Duration // until another one took over
	over  bool          // the job has ended
	hit   []kind        // the faults that began before that
}

// newCluster makes all that the plan wants, and starts the programs.
func newCluster(k *kit, p plan) (*cluster, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("spillway-chaos-%d-", p.seed))
	if err != nil {
		return nil, err
	}
	c := &cluster{kit: k, plan: p, dir: dir, begun: time.Now()}
	if err := c.make(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) make() error {
	err := errors.Join(os.Chmod(c.dir, 0o755), os.Mkdir(filepath.Join(c.dir, "logs"), 0o755),
		os.MkdirAll(filepath.Join(c.dir, "data", job.InputDir), 0o755), os.Mkdir(filepath.Join(c.dir, "elsewhere"), 0o755),
		os.WriteFile(filepath.Join(c.dir, "plan.txt"), []byte(c.plan.String()), 0o644))
	if err != nil {
		return err
	}
	for i := range c.plan.inputs {
		if err := os.Link(filepath.Join(c.kit.pictures, pictureName(i)), filepath.Join(c.dir, "data", job.InputDir, pictureName(i))); err != nil {
			return err
		}
	}
	if err := c.makeHosts(); err != nil {
		return err
	}
	if c.plan.postgres {
		if c.db, err = newDatabase(c.kit, c.dir, c.hosts[0], c.plan.clock); err != nil {
			return err
		}
	}
	if err := c.makeDisks(); err != nil {
		return err
	}
	if err := c.makePrograms(); err != nil {
		return err
	}
	for _, p := range append(c.nodes, c.servers...) {
		if err := p.start(); err != nil {
			return err
		}
	}
	if err := c.ready(); err != nil {
		return err
	}
	return c.arm()
}

// makeHosts makes a host for each program, or one for all.
func (c *cluster) makeHosts() error {
	count := 1
	if c.plan.network {
		count = c.plan.servers + len(c.plan.nodes)
	}
	for i := range count {
		var addr netip.Addr
		if c.plan.network {
			addr = netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)})
		}
		h, err := newHost(strconv.Itoa(i), c.kit.means.hosts, addr)
		if err != nil {
			return err
		}
		c.hosts = append(c.hosts, h)
	}
	if c.plan.network {
		c.wires = newWires(c.plan.seed, c.hosts)
	}
	return nil
}

// place is the host of the i-th program, servers first, and where it listens.
func (c *cluster) place(i int) (*host, string, error) {
	if c.plan.network {
		return c.hosts[i], net.JoinHostPort(c.hosts[i].addr.String(), "5000"), nil
	}
	if c.kit.means.hosts {
		return c.hosts[0], net.JoinHostPort("127.0.0.1", strconv.Itoa(5000+i)), nil
	}
	addr, err := freeAddr()
	return c.hosts[0], addr, err
}

// ports counts those that were handed out; each is handed out once.
var ports atomic.Int64

// freeAddr is a loopback address for a program that is still to start. Its port lies
// below those that the system hands out itself, so that nobody else takes it.
func freeAddr() (string, error) {
	const first, last = 10_000, 32_000
	for range last - first {
		port := first + (int64(os.Getpid())*97+ports.Add(1))%(last-first)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("every port is taken")
}

// makePrograms describes the servers and the nodes.
func (c *cluster) makePrograms() error {
	var list strings.Builder
	for i := range c.plan.servers {
		at, addr, err := c.place(i)
		if err != nil {
			return err
		}
		c.addrs = append(c.addrs, addr)
		args := []string{
			"--listen", addr, "--http", "off", "--window", strconv.Itoa(c.plan.window), "--attempt-timeout", "4s",
			"--state", filepath.Join(c.dir, "state"), "--seed", strconv.FormatUint(c.plan.seed, 10),
		}
		if c.db != nil {
			args = append(args, "--db", c.db.url())
		}
		c.servers = append(c.servers, c.program(fmt.Sprintf("server_%d", i), "server", at, args))
	}
	for i, n := range c.plan.nodes {
		at, addr, err := c.place(c.plan.servers + i)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("node_%d", i)
		fmt.Fprintf(&list, "%s %s\n", name, addr)
		c.nodes = append(c.nodes, c.program(name, "computenode", at, c.nodeArgs(i, n)))
	}
	return os.WriteFile(filepath.Join(c.dir, "machine.txt"), []byte(list.String()), 0o644)
}

func (c *cluster) nodeArgs(i int, n nodePlan) []string {
	isolate := "off"
	if n.isolated {
		isolate = "on"
	}
	args := []string{
		strconv.FormatFloat(n.load, 'f', 1, 64), "--name", fmt.Sprintf("node_%d", i), "--delay", n.delay.String(),
		"--isolate", isolate, "--slots", strconv.Itoa(max(1, 6/len(c.plan.nodes))), "--seed", strconv.FormatUint(c.plan.seed+uint64(i), 10),
		"--workspace", c.workspace(i),
	}
	if n.blind {
		args = append(args, "--root", filepath.Join(c.dir, "elsewhere"))
	}
	return args
}

// untilCrash is how long a node that is to crash takes tasks at least.
const untilCrash = 2 * time.Second

// arm starts the nodes anew that are to crash by themselves, so that their time begins
// now.
func (c *cluster) arm() error {
	for _, f := range c.plan.faults {
		if f.kind != crashAfter {
			continue
		}
		p := c.nodes[f.node]
		if err := p.end(syscall.SIGKILL); err != nil {
			return err
		}
		p.args, p.crashes = append(p.args, "--crash-after", (f.at+untilCrash).String()), true
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// workspace is the folder of node i for what is sent to it.
func (c *cluster) workspace(i int) string {
	return filepath.Join(c.dir, fmt.Sprintf("workspace_%d", i))
}

func (c *cluster) program(name, program string, at *host, args []string) *process {
	if c.plan.network {
		args = append(args, "--insecure")
	}
	return &process{
		name: name, host: at, path: filepath.Join(c.kit.bin, program), args: args, dir: c.dir,
		log: filepath.Join(c.dir, "logs", name+".log"),
	}
}

// ready waits until each server has heard of each node.
func (c *cluster) ready() error {
	for i := range c.servers {
		for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			nodes, err := c.askNodes(i)
			up := 0
			for _, n := range nodes {
				if n.State != job.Inaccessible {
					up++
				}
			}
			if up == len(c.nodes) {
				break
			}
			if err := c.tend(); err != nil {
				return err
			}
			if time.Since(begun) > patience {
				return errors.Join(fmt.Errorf("the cluster is not up: %d of %d nodes", up, len(c.nodes)), err)
			}
		}
	}
	return nil
}

// begin submits the job to the first server, and waits until a task is done. A
// fault's times count from then.
func (c *cluster) begin(ctx context.Context) error {
	out, err := c.client(ctx, 0, "--detach", "--op", c.plan.operation, "--policy", c.plan.policy, filepath.Join(c.dir, "data"))
	if err != nil {
		return err
	}
	c.id = job.ID(strings.TrimSpace(out))
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		if names, _ := os.ReadDir(c.outputs()); len(names) > 0 {
			c.note("job %s runs", c.id)
			return nil
		}
	}
	return errors.New("no task of the job is done")
}

// outputs is the folder of the results.
func (c *cluster) outputs() string { return filepath.Join(c.dir, "data", job.OutputDir) }

// note remembers what was done to the cluster.
func (c *cluster) note(form string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf("%7.3f s  ", time.Since(c.begun).Seconds())+fmt.Sprintf(form, args...))
}

// tend sees that no program ends by itself. Only a server whose disk is full, or
// whose database is away, may refuse to start; it is started again, as a service manager
// would.
func (c *cluster) tend() error {
	for _, p := range append(append([]*process(nil), c.servers...), c.nodes...) {
		how, died := p.died()
		if !died {
			continue
		}
		refused := how == "exit status 1" && strings.HasPrefix(p.name, "server") && (c.plan.has(fullState) || c.plan.has(killDatabase))
		if !refused {
			return fmt.Errorf("%s ended by itself: %s", p.name, how)
		}
		c.note("%s refused to start, and is started again", p.name)
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// programs are all processes of the run.
func (c *cluster) programs() []*process {
	all := append(append([]*process(nil), c.servers...), c.nodes...)
	if c.db != nil {
		all = append(all, c.db.process)
	}
	return all
}

// close ends all that still runs. The folder stays.
func (c *cluster) close() error {
	var all []error
	for _, p := range c.programs() {
		all = append(all, p.freeze(false), p.end(syscall.SIGKILL))
	}
	for _, h := range c.hosts {
		h.close()
	}
	if c.wires != nil {
		c.wires.close()
	}
	for _, dir := range c.mounts {
		all = append(all, unix.Unmount(dir, unix.MNT_DETACH))
	}
	return errors.Join(all...)
}

// remove removes the folder.
func (c *cluster) remove() error { return os.RemoveAll(c.dir) }

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/job"
	"spillway/machine"
	"spillway/rpc"
	"spillway/server/policy"
	"spillway/trace"
)

const usage = `client submits folders of pictures, videos and songs to a Spillway server and follows them.

  client [flags] DIR          process DIR/input_dir into DIR/output_dir, follow, report
  client jobs                 list the jobs, newest first
  client job ID               one job: counts, nodes, how long inputs took to split and join, tasks with their attempts
  client watch ID             follow a job to its end; in a pipe, a line for each step: split, task, join
  client cancel ID            end a job; what runs is told to stop
  client retry ID             run what an ended job has not done, and follow it
  client nodes                the compute nodes, and how busy they are; --watch, --wide
  client node NAME            one node in full, with the end of its log; --lines N
  client node NAME COMMAND    put, get, ls, view, metadata, extract, create, face, mesh, delete; client node --help
  client drain NAME           let a node finish what it has and send it nothing new; --undo
  client operations           what the nodes can do, with every parameter

Examples:
  client data
  client --policy random,balance data      one after the other, side by side
  client --op blur:kernel=7 --deadline 10m data
  client --op video:edges data/input_dir/clip.avi      one file alone
  client --json data | jq .done
  client --detach data && client jobs

Flags:
`

// defaultServer is where a server listens that was told nothing.
const (
	defaultPort   = "5000"
	defaultServer = "127.0.0.1:" + defaultPort
)

// config is what the command line asks for.
type config struct {
	command  string // "" for DIR
	arg      string // DIR or ID
	server   string
	guessed  bool     // nobody named the server
	policies []string // at least one; "" is the server's own
	op       job.Operation
	deadline time.Duration
	priority int
	tags     []string
	keep     time.Duration
	trace    string   // a traceparent; "": none
	states   []string // of jobs or tasks to show; none: all, or those worth a look
	limit    int
	after    string // the last job, or task, of the page before
	oldest   bool
	json     bool
	detach   bool
	quiet    bool
	tls      *rpc.Credentials // nil: no TLS
	nodes    nodesConfig
	node     nodeConfig
	machines string
}

// errHelp says that help was asked for, and given.
var errHelp = errors.New("help")

// commands and what they take: an id, a name, or nothing.
var commands = map[string]string{
	"jobs": "", "job": anID, "watch": anID, "cancel": anID, "retry": anID, "operations": "",
	"nodes": "", "node": aName, "drain": aName,
}

// What a command may take.
const (
	anID  = "the id of a job; client jobs lists them"
	aName = "the name of a node; client nodes lists them"
)

// parse reads the command line. Errors: InvalidArgument.
func parse(args []string, out output) (config, error) {
	var cfg config
	var op string
	var files rpc.TLS
	flags := pflag.NewFlagSet("client", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&cfg.server, "server", "", "the server's `HOST:PORT` (default: the server of machine.txt, or "+defaultServer+")")
	flags.StringVar(&cfg.machines, "machines", "machine.txt", "`file` that names the server")
	flags.StringSliceVar(&cfg.policies, "policy", []string{""}, "how nodes are chosen: pull, random, balance and others that server --help lists with their parameters, each `NAME` or NAME:PARAMETER=VALUE,..., such as pull:hedge=0; several run one after the other (default: the server's)")
	flags.StringVar(&op, "op", job.DefaultOperation, "the operation, as `NAME[:k=v,...]`; client operations lists them")
	flags.DurationVar(&cfg.deadline, "deadline", 0, "how long the job may take, as in 90s or 10m (default: no bound)")
	flags.IntVar(&cfg.priority, "priority", 0, fmt.Sprintf("%d to %d; of the jobs that wait, a higher one starts first", job.MinPriority, job.MaxPriority))
	flags.StringSliceVar(&cfg.tags, "tags", nil, "`tags` that a node must have to get a task")
	flags.DurationVar(&cfg.keep, "keep", 0, "how long the server remembers the job after its end (default: the server's)")
	flags.StringVar(&cfg.trace, "traceparent", "", "the W3C `traceparent` of the trace that the job is part of (default: the variable TRACEPARENT); docs/tracing.md")
	flags.StringSliceVar(&cfg.states, "state", nil, "show only jobs (client jobs), or tasks (client job), in these `states`")
	flags.IntVar(&cfg.limit, "limit", 0, "show so many at most (default 100)")
	flags.StringVar(&cfg.after, "after", "", "go on behind this job, or task, the `last` of the page before")
	flags.BoolVar(&cfg.oldest, "oldest", false, "list the oldest jobs first")
	flags.BoolVar(&cfg.json, "json", false, "print JSON for programs instead of tables: one object a line")
	flags.BoolVar(&cfg.detach, "detach", false, "submit, print the job's id, and leave")
	flags.BoolVarP(&cfg.quiet, "quiet", "q", false, "show no progress")
	newNodesFlags(flags, &cfg.nodes)
	newNodeFlags(flags, &cfg.node)
	files.Flags(flags.StringVar)
	help := flags.BoolP("help", "h", false, "show this help")
	if err := flags.Parse(args); err != nil {
		return cfg, wrongFlag(err)
	}
	if *help || flags.NArg() == 1 && flags.Arg(0) == "help" {
		if flags.Arg(0) == "node" {
			fmt.Fprint(out.stdout, nodeUsage, flags.FlagUsages())
		} else {
			fmt.Fprint(out.stdout, usage, flags.FlagUsages(), "\n", policy.Options())
		}
		return cfg, errHelp
	}
	if err := cfg.positional(flags); err != nil {
		return cfg, err
	}
	var err error
	if cfg.op, err = job.ParseOperation(op); err != nil {
		return cfg, err
	}
	if err := cfg.check(flags); err != nil {
		return cfg, err
	}
	if cfg.tls, err = files.Load(rpc.ClientRole); err != nil {
		return cfg, err
	}
	return cfg, cfg.findServer(cfg.machines, flags.Changed("machines"))
}

// positional takes a command with its argument, or a folder, and sees that the
// flags about nodes go with it.
func (c *config) positional(flags *pflag.FlagSet) error {
	args := flags.Args()
	if len(args) == 0 {
		return bad("no folder is named")
	}
	wants, isCommand := commands[args[0]]
	switch {
	case !isCommand:
		c.arg, args = folder(args[0]), args[1:]
	case wants != "" && len(args) == 1:
		return bad("client " + args[0] + " wants " + wants)
	case args[0] == "node" && len(args) > 2:
		c.command, c.arg, c.node.command, c.node.args, args = args[0], args[1], args[2], args[3:], nil
	case wants != "":
		c.command, c.arg, args = args[0], args[1], args[2:]
	default:
		c.command, args = args[0], args[1:]
	}
	if len(args) > 0 {
		return bad(fmt.Sprintf("%q is one argument too many", args[0]))
	}
	return cmp.Or(goWith(flags, c.command), c.nodes.check(), c.node.check(flags))
}

// submits is what goesWith calls a folder instead of a command.
const submits = "DIR"

// goesWith tells the commands that a flag goes with, where it does not go with all.
var goesWith = map[string][]string{
	"policy": {submits}, "op": {submits}, "deadline": {submits}, "priority": {submits}, "tags": {submits}, "keep": {submits}, "traceparent": {submits},
	"detach": {submits, "retry"},
	"state":  {"jobs", "job"}, "limit": {"jobs", "job"}, "after": {"jobs", "job"}, "oldest": {"jobs"},
	"watch": {"nodes"}, "wide": {"nodes"}, "lines": {"node"}, "undo": {"drain"},
	"rate": {"node"}, "from": {"node"}, "duration": {"node"}, "audio": {"node"},
}

// goWith reports the first flag that would do nothing. Errors: InvalidArgument.
func goWith(flags *pflag.FlagSet, command string) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		wants, some := goesWith[f.Name]
		if err != nil || !some || slices.Contains(wants, cmp.Or(command, submits)) {
			return
		}
		err = bad(fmt.Sprintf("--%s goes with client %s", f.Name, strings.Join(wants, " and client ")))
	})
	return err
}

// check reports values that cannot be. Errors: InvalidArgument.
func (c *config) check(flags *pflag.FlagSet) error {
	c.policies = wholePolicies(c.policies)
	for i := range c.policies {
		c.policies[i] = strings.TrimSpace(c.policies[i])
	}
	if flags.Changed("policy") && (len(c.policies) == 0 || slices.Contains(c.policies, "")) {
		return bad("--policy has an empty name")
	}
	if c.deadline < 0 {
		return bad(fmt.Sprintf("--deadline %v is in the past", c.deadline))
	}
	if c.detach && len(c.policies) > 1 {
		return bad("--detach takes one policy; several run one after the other")
	}
	return errors.Join(job.CheckTags(c.tags), c.checkStates(), c.findTrace())
}

// findTrace takes the trace of the environment where no flag gives one. What is none there
// is ignored, since it may be meant for others.
func (c *config) findTrace() error {
	given := c.trace
	if given == "" {
		c.trace = trace.Parse(os.Getenv("TRACEPARENT"))
		return nil
	}
	if c.trace = trace.Parse(given); c.trace == "" {
		return job.E(job.InvalidArgument, "--traceparent", fmt.Errorf("%.80q is no traceparent", given),
			"write it as in 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, or leave it out")
	}
	return nil
}

// checkStates reports the first state that neither job nor task is ever in.
func (c *config) checkStates() error {
	known := []string{string(job.Queued), string(job.Running), string(job.Succeeded), string(job.Failed), string(job.Cancelled)}
	if c.command == "job" {
		known = []string{string(job.TaskPending), string(job.TaskRunning), string(job.TaskDone), string(job.TaskFailed), string(job.TaskQuarantined)}
	}
	for _, state := range c.states {
		if !slices.Contains(known, state) {
			return bad(fmt.Sprintf("--state %q is none of %s", state, strings.Join(known, ", ")))
		}
	}
	return nil
}

// folder is how the server is told of a folder, or of one file: what this machine has
// by its absolute path, any other as it was given, from the server's root.
func folder(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return name
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if !info.IsDir() { // its own name stays, even that of a link: outputs are named by it
		return filepath.Join(folder(filepath.Dir(abs)), filepath.Base(abs))
	}
	// The working directory may be spelled through a link; the server's root is not.
	if direct, err := filepath.EvalSymlinks(abs); err == nil {
		return direct
	}
	return abs
}

// findServer takes the server's address from machine.txt where no flag gives it.
func (c *config) findServer(path string, asked bool) error {
	if c.server != "" {
		return c.checkServer()
	}
	c.server = defaultServer
	if _, err := os.Stat(path); !asked && errors.Is(err, fs.ErrNotExist) {
		c.guessed = true
		return nil
	}
	pool, err := machine.Read(path)
	if err != nil {
		return err
	}
	if servers := pool.Servers(); len(servers) > 0 {
		c.server = servers[0].Addr
	}
	return nil
}

// checkServer checks the address of --server and adds the default port.
func (c *config) checkServer() error {
	host, port, err := net.SplitHostPort(c.server)
	if err != nil && !strings.Contains(c.server, ":") {
		host, port, err = c.server, defaultPort, nil
	}
	if n, numeric := strconv.Atoi(port); err != nil || numeric != nil || n < 1 || n > 65535 {
		return bad(fmt.Sprintf("--server %q is not HOST:PORT", c.server))
	}
	c.server = net.JoinHostPort(host, port)
	return nil
}

// wrongFlag is a flag that is unknown, or has a value that it does not take.
func wrongFlag(err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok && wrong.GetFlag().Value.Type() == "duration" {
		return job.E(job.InvalidArgument, "--"+wrong.GetFlag().Name, fmt.Errorf("%q is no duration", wrong.GetValue()), "write it with its unit, as in 10s or 1m30s")
	}
	return bad(err.Error())
}

// bad is a wrong command line.
func bad(why string) error {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	return job.E(job.InvalidArgument, "", errors.New(why),
		"write client [flags] DIR or client "+strings.Join(names, "|")+"; client --help shows examples")
}

// wholePolicies puts parameters back to the policies that they belong to: commas part
// them, too.
func wholePolicies(parts []string) []string {
	var whole []string
	for _, part := range parts {
		name, _, given := strings.Cut(part, "=")
		if given && !strings.Contains(name, ":") && len(whole) > 0 {
			whole[len(whole)-1] += "," + part
			continue
		}
		whole = append(whole, part)
	}
	return whole
}

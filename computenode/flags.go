package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/computenode/admission"
	"spillway/computenode/isolate"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/computenode/workspace"
	"spillway/job"
	"spillway/machine"
	"spillway/rpc"
)

// defaultName is the node that is run where no other is named.
const defaultName = "node_0"

// config is all that the command line says.
type config struct {
	Worker    worker.Config
	Admission string // the controller: NAME or NAME:PARAMETER=VALUE,…
	Control   admission.Config
	Isolated  bool
	Isolate   isolate.Config
	Listen    string
	Text      string // HOST:PORT of the line protocol; "": none
	Insecure  bool
	TLS       *rpc.Credentials // nil: no TLS
	Roots     []string
	Workspace workspace.Config
	Models    string // folder of model files; empty: the system's alone
	Level     slog.Level
	Join      joinConfig
	Grace     time.Duration // for what runs when the node is told to stop
	OTLP      string        // URL of an OpenTelemetry collector; "": by the environment
	// CrashAfter is when the node dies of itself, for tests and demonstrations; 0:
	// never.
	CrashAfter time.Duration
}

// raw are flags as they were written, before they are checked.
type raw struct {
	name, machines, isolate, memory, level string
	quota                                  string // --workspace-quota
	worker                                 string // --worker-name
	seed                                   uint64
	timeout                                time.Duration
	tls                                    rpc.TLS
}

// newFlags describes the flags; parsing them fills c and r.
func newFlags(c *config, r *raw) *pflag.FlagSet {
	fs := pflag.NewFlagSet("computenode", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	fs.StringVar(&r.name, "name", defaultName, "name of this node; its address is in machine.txt")
	fs.StringVar(&c.Listen, "listen", "", "HOST:PORT to listen on (default: what --machines says for --name)")
	fs.StringVar(&r.machines, "machines", "machine.txt", "file that says who listens where")
	newJoinFlags(fs, c, r)
	fs.DurationVar(&c.Control.Delay, "delay", admission.DefaultDelay, "the injected delay; the server's --attempt-timeout should be longer")
	fs.Uint64Var(&r.seed, "seed", 0, "seed of the draws; the same seed draws the same (default: another each time)")
	fs.IntVar(&c.Worker.Slots, "slots", 0, "tasks to work on at once (default: one a core)")
	fs.StringVar(&c.Admission, "admission", admission.DefaultName, "what turns tasks away: NAME or NAME:PARAMETER=VALUE,…, see below; NAME is "+strings.Join(admission.Names(), ", "))
	fs.StringArrayVar(&c.Roots, "root", nil, "directory below which files may be read and written; repeatable (default: the working directory)")
	fs.StringVar(&c.Workspace.Dir, "workspace", "", "directory for the files of tasks whose folder this node does not see (default: the system's, for temporary files)")
	fs.StringVar(&r.quota, "workspace-quota", "10GiB", "how much they may take: a number with KiB, MiB, GiB or nothing")
	fs.StringVar(&c.Models, "models", "", "directory of model files, looked at before "+operation.DefaultModels+", for operations on faces")
	fs.StringVar(&r.isolate, "isolate", "on", "on: native code runs in child processes; off: in this one, where a crash ends the node")
	fs.DurationVar(&r.timeout, "task-timeout", isolate.DefaultTimeout, "time after which a task's child process is killed; the server's --attempt-timeout should be longer")
	fs.StringVar(&r.memory, "memory", "2GiB", "memory of one child process: a number with KiB, MiB, GiB or nothing")
	fs.DurationVar(&c.Grace, "grace", defaultGrace, "how long what runs may go on when the node is told to stop")
	fs.DurationVar(&c.CrashAfter, "crash-after", 0, "die as by kill -9 so long after the start, to try what a cluster does then (default: never)")
	fs.StringVar(&c.Text, "text", "", "HOST:PORT on which to answer lines of text, for nc and programs of one's own; see docs/text-protocol.md (default: nowhere)")
	fs.StringVar(&c.OTLP, "otlp-endpoint", "", "URL of an OpenTelemetry collector (OTLP over HTTP) that gets the spans of tasks whose server traces them, as in http://127.0.0.1:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT; without it, none)")
	fs.BoolVar(&c.Insecure, "insecure", false, "listen beyond this machine, without any login")
	r.tls.Flags(fs.StringVar)
	fs.StringVar(&r.level, "log-level", "info", "debug, info, warn or error")
	return fs
}

// parse reads and checks the command line. Errors: pflag.ErrHelp;
// InvalidArgument, naming the argument.
func parse(args []string) (config, error) {
	var c config
	var r raw
	fs := newFlags(&c, &r)
	flags, numbers := splitNegative(fs, args)
	if err := fs.Parse(flags); err != nil {
		return config{}, flagError(err)
	}
	p, err := probability(append(numbers, fs.Args()...))
	if err != nil {
		return config{}, err
	}
	c.Control.Probability = p
	c.Control.Seed = r.seed
	if !fs.Changed("seed") {
		c.Control.Seed = rand.Uint64()
	}
	if err := c.Join.resolve(&r, fs); err != nil {
		return config{}, err
	}
	c.Worker.Node, c.Worker.Tags = job.NodeID(r.name), c.Join.Tags
	if err := c.resolve(r); err != nil {
		return config{}, err
	}
	if err := c.validate(); err != nil {
		return config{}, err
	}
	return c, c.address(r, fs.Changed("listen"))
}

// resolve turns written values into checked ones.
func (c *config) resolve(r raw) error {
	var err error
	switch r.isolate {
	case "on", "off":
		c.Isolated = r.isolate == "on"
	default:
		return usage(fmt.Sprintf("--isolate %q", r.isolate), "it is neither on nor off", "use --isolate=on or --isolate=off")
	}
	if err := c.Level.UnmarshalText([]byte(r.level)); err != nil {
		return usage(fmt.Sprintf("--log-level %q", r.level), "no such level", "use debug, info, warn or error")
	}
	if r.timeout <= 0 {
		return usage("--task-timeout "+r.timeout.String(), "no task could run", "use a time such as 60s")
	}
	c.Isolate = isolate.Config{Size: c.Worker.Slots, Timeout: r.timeout, Env: childEnv()}
	if c.Isolate.Memory, err = parseMemory(r.memory); err != nil {
		return err
	}
	if c.Workspace.Quota, err = parseSize("--workspace-quota", r.quota); err != nil {
		return err
	}
	if c.TLS, err = r.tls.Load(rpc.NodeRole(job.NodeID(r.name))); err != nil {
		return err
	}
	if err := c.checkModels(); err != nil {
		return err
	}
	if len(c.Roots) == 0 {
		c.Roots = []string{"."}
	}
	c.Isolate.Args, err = childArgs(c.Models, c.Roots)
	return err
}

// checkModels makes the folder of models absolute, and refuses one that is not there:
// without this word the first face would tell. Errors: InvalidArgument.
func (c *config) checkModels() error {
	if c.Models == "" {
		return nil
	}
	info, err := os.Stat(c.Models)
	if err == nil && info.IsDir() {
		c.Models, err = filepath.Abs(c.Models)
		return err
	}
	return usage("--models "+c.Models, "it is not a directory that can be read", "name the folder that holds the model files")
}

// address finds where to listen.
func (c *config) address(r raw, listens bool) error {
	switch {
	case listens:
		return nil
	case c.Join.Controller != "":
		c.Listen = c.Join.listen()
		return nil
	}
	pool, err := machine.Read(r.machines)
	if err != nil {
		return err
	}
	nodes, err := pool.RequireNodes()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(nodes, func(m machine.Machine) bool { return m.Name == r.name })
	if at < 0 {
		return usage(fmt.Sprintf("--name %q", r.name), "no node in "+r.machines+" has that name",
			fmt.Sprintf("use one that it lists, such as %s, or say where to listen with --listen HOST:PORT", nodes[0].Name))
	}
	c.Listen = nodes[at].Addr
	return nil
}

// validate checks what the packages check themselves, and the name, which ends
// up in logs and tables.
func (c *config) validate() error {
	if err := job.ID(c.Worker.Node).Check(); err != nil {
		return usage(fmt.Sprintf("--name %.80q", string(c.Worker.Node)), "it cannot name a node", job.HintOf(err))
	}
	if c.Worker.Slots < 1 && c.Worker.Slots != 0 || c.Worker.Slots > worker.MaxSlots {
		return usage(fmt.Sprintf("--slots %d", c.Worker.Slots), "so many are not possible", fmt.Sprintf("use 1 to %d", worker.MaxSlots))
	}
	if c.Control.Delay < 0 {
		return usage("--delay "+c.Control.Delay.String(), "it is in the past", "use a time such as 3s, or 0 for none")
	}
	if c.Grace < 0 {
		return usage("--grace "+c.Grace.String(), "it is in the past", "use a time such as 3s, or 0 to give up what runs")
	}
	if c.CrashAfter < 0 {
		return usage("--crash-after "+c.CrashAfter.String(), "it is in the past", "use a time such as 5s, or 0 for never")
	}
	if _, err := admission.New(c.Admission, c.Control); err != nil {
		return usage(fmt.Sprintf("--admission %q", c.Admission), errors.Unwrap(err).Error(), job.HintOf(err))
	}
	return errors.Join(c.Isolate.Validate(), c.Worker.Validate())
}

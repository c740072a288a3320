package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"spillway/confine"
	"spillway/job"
	"spillway/machine"
	"spillway/rpc"
	"spillway/server/cluster"
	"spillway/server/policy"
	"spillway/server/scheduler"
)

const usage = `server takes jobs from clients and sends their tasks to the compute nodes of machine.txt, and to those that join by themselves.

  server [flags]

Examples:
  server                                     everything from ./machine.txt, folders below .
  server --machines lab.txt --root /srv/photos --root /srv/films
  server --listen 127.0.0.1:5100 --policy random
  server --machines ""                       no machine.txt: nodes join with computenode --controller
  server user add ada --role operator        an account of the HTTP API; server user --help

Flags:
`

// config is what the command line asks for.
type config struct {
	listen        string
	insecure      bool
	tls           rpc.TLS
	credentials   *rpc.Credentials // nil: no TLS
	balancePolicy string
	level         slog.Level
	machines      string // path of the file that is read again on SIGHUP; "": none
	pool          machine.Pool
	roots         confine.Roots
	state         string // the directory of the server's own files
	files         string // the directory of the files of the HTTP API, absolute
	db            string // URL of the database; empty: SQLite in state
	http          string // where the HTTP API listens; "off": nowhere
	httpChosen    bool   // by a flag
	demo          bool
	otlp          string // URL of an OpenTelemetry collector; "": by the environment
	filesQuota    int64  // GiB; 0: no bound but the disk
	scheduler     scheduler.Config
	cluster       cluster.Config
}

// errHelp says that help was asked for, and given.
var errHelp = errors.New("help")

// defaultListen is where a server listens that no flag and no machine.txt tells.
const defaultListen = "127.0.0.1:5000"

// parse reads the command line. Errors: InvalidArgument.
func parse(args []string, stdout io.Writer) (config, error) {
	var cfg config
	var level string
	var roots []string
	flags := pflag.NewFlagSet("server", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&cfg.machines, "machines", "machine.txt", "`file` that names the nodes, read again on SIGHUP; empty: none, nodes join with --controller")
	flags.StringVar(&cfg.listen, "listen", "", "`HOST:PORT` to listen on (default: the server of machine.txt, or "+defaultListen+")")
	flags.StringVar(&cfg.http, "http", defaultHTTP, "`HOST:PORT` of the HTTP API; off: none (docs/api.md)")
	flags.BoolVar(&cfg.demo, "demo", false, "add an admin \"username\" with the password \"password\" to the HTTP API, for trying it out")
	flags.StringArrayVar(&roots, "root", nil, "`directory` below which a job's folder must lie; may be given again (default: the working directory)")
	flags.StringVar(&cfg.state, "state", "data/state", "`directory` for the jobs, of this server alone")
	flags.StringVar(&cfg.files, "files", "data/files", "`directory` for what the HTTP API is given, and makes of it, of this server alone; jobs may read it as if it were a --root")
	flags.Int64Var(&cfg.filesQuota, "files-quota", 0, "`GiB` that what is uploaded there to folders, and that workloads, may have in all, each (default: what the disk has)")
	flags.StringVar(&cfg.db, "db", "", "keep the jobs in PostgreSQL, as `URL` postgres://..., which several servers may share; memory: nowhere, to measure without it (default: SQLite in --state)")
	flags.IntVar(&cfg.scheduler.Jobs, "jobs", 0, "jobs that run at once; the others wait in order (default 8)")
	flags.DurationVar(&cfg.scheduler.Keep, "keep", 0, "how long a job is remembered after its end (default 168h0m0s)")
	flags.DurationVar(&cfg.scheduler.Grace, "grace", scheduler.DefaultGrace, "how long what runs may go on when the server is told to stop")
	flags.StringVar(&cfg.scheduler.Policy, "policy", policy.Default, "policy of a job that names none, `NAME` or NAME:PARAMETER=VALUE,...; see below")
	flags.StringVar(&cfg.balancePolicy, "balance-policy", policy.Default, "policy of submit_request with is_random = false")
	flags.IntVar(&cfg.scheduler.Window, "window", 1024, "tasks in flight at once, of all jobs together")
	flags.DurationVar(&cfg.scheduler.Stall, "stall-timeout", 0, "end a job that every node rejects, or no node answers, for so long; negative: never (default 1m0s)")
	flags.DurationVar(&cfg.cluster.AttemptTimeout, "attempt-timeout", 0, "send a task elsewhere when its node has answered none for so long, or one sent so much later; longer than the nodes' --delay and --task-timeout (default 2m0s)")
	flags.Uint64Var(&cfg.scheduler.Seed, "seed", 0, "makes the choices of nodes reproducible (default: from the clock)")
	flags.StringVar(&cfg.otlp, "otlp-endpoint", "", "`URL` of an OpenTelemetry collector (OTLP over HTTP) that gets traces, as in http://127.0.0.1:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT; without it, none)")
	flags.IntVar(&cfg.scheduler.TraceTasks, "trace-tasks", scheduler.DefaultTraceTasks, "tasks of a job that are traced with their attempts; of more, that many spread evenly; 0: none")
	flags.BoolVar(&cfg.insecure, "insecure", false, "allow listening beyond loopback, without encryption")
	cfg.tls.Flags(flags.StringVar)
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	help := flags.BoolP("help", "h", false, "show this help")
	if err := flags.Parse(args); err != nil {
		return cfg, bad(err.Error())
	}
	if *help {
		fmt.Fprint(stdout, usage, flags.FlagUsages(), "\nPolicies, with their parameters and defaults:\n", policy.Describe())
		return cfg, errHelp
	}
	if flags.NArg() > 0 {
		return cfg, bad(fmt.Sprintf("%q is one argument too many", flags.Arg(0)))
	}
	if err := cfg.level.UnmarshalText([]byte(level)); err != nil {
		return cfg, bad(fmt.Sprintf("--log-level %q is none of debug, info, warn, error", level))
	}
	cfg.httpChosen = flags.Changed("http")
	return cfg, cfg.load(roots)
}

// load reads and checks what the flags name.
func (c *config) load(roots []string) (err error) {
	if c.scheduler.Window < 1 {
		return bad(fmt.Sprintf("--window %d leaves no room for a task", c.scheduler.Window))
	}
	if c.filesQuota < 0 || c.filesQuota > 1<<30 {
		return bad(fmt.Sprintf("--files-quota %d is no number of GiB from 0 to 2^30", c.filesQuota))
	}
	if _, err := policy.New(c.balancePolicy); err != nil {
		return fmt.Errorf("--balance-policy: %w", err)
	}
	if c.scheduler.TraceTasks < 0 {
		return bad(fmt.Sprintf("--trace-tasks %d is negative", c.scheduler.TraceTasks))
	}
	if c.scheduler.TraceTasks == 0 {
		c.scheduler.TraceTasks = -1 // of a Config, zero is the default
	}
	if c.scheduler.Grace == 0 {
		c.scheduler.Grace = time.Nanosecond // of a Config, zero is the default
	}
	if err := errors.Join(c.scheduler.Validate(), c.cluster.Validate()); err != nil {
		return err
	}
	if c.credentials, err = c.tls.Load(rpc.ServerRole); err != nil {
		return err
	}
	if err := c.openRoots(roots); err != nil {
		return err
	}
	if c.machines != "" {
		if c.pool, err = machine.Read(c.machines); err != nil {
			return err
		}
	}
	if c.listen == "" {
		c.listen = defaultListen
		if servers := c.pool.Servers(); len(servers) > 0 {
			c.listen = servers[0].Addr
		}
	}
	return nil
}

// openRoots opens the roots, among which the directory for the HTTP API's files is one
// where it is below none of the others.
func (c *config) openRoots(roots []string) (err error) {
	if c.roots, err = confine.NewRoots(roots...); err != nil {
		return job.E(job.InvalidArgument, "--root", err, "name directories that exist")
	}
	if c.files, err = filepath.Abs(c.files); err != nil {
		return job.E(job.InvalidArgument, "--files", err, "")
	}
	if _, err := c.roots.Path(c.files); err == nil || c.http == noHTTP {
		return nil
	}
	if err := os.MkdirAll(c.files, 0o755); err != nil {
		return job.E(job.InvalidArgument, "--files", err, "name a directory that the server can make and write")
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	if c.roots, err = confine.NewRoots(append(slices.Clone(roots), c.files)...); err != nil {
		return job.E(job.InvalidArgument, "--files", err, "name a directory that the server can make and write")
	}
	return nil
}

// bad is a wrong command line.
func bad(why string) error {
	return job.E(job.InvalidArgument, "", errors.New(why), "server --help lists the flags")
}

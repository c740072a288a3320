package scheduler

import (
	"cmp"
	"fmt"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/trace"
)

// Config of a scheduler. The zero value takes every default.
type Config struct {
	// Window bounds the tasks in flight, of all jobs together. Default 1024.
	Window int
	// Policy is used for a job that names none. Default [policy.Default].
	Policy string
	// Breaks is on how many nodes an input may break the process it is worked on in,
	// before it is quarantined; as often on fewer where there are no more. Default 3.
	Breaks int
	// Stall is how long a job may go on while every node rejects it or none
	// answers. Default 1 min; negative: for ever.
	Stall time.Duration
	// Keep is how long a job is remembered after its end, where its submission does
	// not say. Default 7 days.
	Keep time.Duration
	// Jobs is how many run at once; the others wait in order. Default 8.
	Jobs int
	// MaxJobs bounds the jobs that have not ended. Default 1000.
	MaxJobs int
	// Grace is how long what runs may go on once the server is told to stop.
	// Default 10 s.
	Grace time.Duration
	// Owner names this server among those that share a store. Default: drawn.
	Owner string
	// Lease is how long jobs belong to a server that is not heard of. Default 6 s.
	Lease time.Duration
	// Seed makes the choices of nodes reproducible. Default: from the clock.
	Seed uint64
	// Carry opens the folder of a job that begins to run, so that its files can be
	// sent to nodes that do not see it. Default: every node must see it.
	Carry func(base string, id job.ID) (Carrier, error)
	// Joiner joins what the parts of inputs became. Default: nothing is joined.
	Joiner Joiner
	// Observer hears of attempts, tasks and jobs, to count them. Default: nobody does.
	Observer Observer
	// Tracer makes the spans of jobs. Default: there are none.
	Tracer *trace.Tracer
	// TraceTasks bounds the tasks of a job that have spans, with their attempts: of
	// more, that many spread evenly. Default 1000; negative: none have.
	TraceTasks int
}

// DefaultGrace is the time of grace where none is configured.
const DefaultGrace = 10 * time.Second

// Validate reports the first value that cannot be used.
func (c Config) Validate() error {
	for name, n := range map[string]int{"window": c.Window, "breaks": c.Breaks, "jobs": c.Jobs, "max-jobs": c.MaxJobs} {
		if n < 0 {
			return job.E(job.InvalidArgument, name, fmt.Errorf("%d is negative", n), "use a positive number")
		}
	}
	for name, d := range map[string]time.Duration{"keep": c.Keep, "grace": c.Grace, "lease": c.Lease} {
		if d < 0 {
			return job.E(job.InvalidArgument, name, fmt.Errorf("%v is negative", d), "use a positive time")
		}
	}
	if c.Policy == "" {
		return nil
	}
	_, err := policy.New(c.Policy)
	return err
}

func (c Config) withDefaults() Config {
	def := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	def(&c.Window, 1024)
	def(&c.Breaks, 3)
	def(&c.Jobs, 8)
	def(&c.MaxJobs, 1000)
	def(&c.TraceTasks, DefaultTraceTasks)
	c.TraceTasks = max(c.TraceTasks, 0)
	c.Keep = cmp.Or(c.Keep, 7*24*time.Hour)
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	c.Lease = cmp.Or(c.Lease, 6*time.Second)
	c.Owner = cmp.Or(c.Owner, string(job.NewID()))
	c.Policy = cmp.Or(c.Policy, policy.Default)
	if c.Stall == 0 {
		c.Stall = time.Minute
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	return c
}

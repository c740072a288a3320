package scheduler

import (
	"fmt"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// Config of a scheduler. The zero value takes every default.
type Config struct {
	// Window bounds the tasks in flight, of all jobs together. Default 1024.
	Window int
	// Policy is used for a job that names none. Default "balance".
	Policy string
	// Breaks is how often an input may break the process it is worked on in,
	// each time on another node where there is one, before it is quarantined.
	// Default 3.
	Breaks int
	// Stall is how long a job may go on while every node rejects it or none
	// answers. Default 1 min; negative: for ever.
	Stall time.Duration
	// Keep is how many ended jobs are remembered. Default 1000.
	Keep int
	// MaxJobs bounds the jobs that have not ended. Default 1000.
	MaxJobs int
	// Seed makes the choices of nodes reproducible. Default: from the clock.
	Seed uint64
}

// Validate reports the first value that cannot be used.
func (c Config) Validate() error {
	for name, n := range map[string]int{"window": c.Window, "breaks": c.Breaks, "keep": c.Keep, "max-jobs": c.MaxJobs} {
		if n < 0 {
			return job.E(job.InvalidArgument, name, fmt.Errorf("%d is negative", n), "use a positive number")
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
	def(&c.Keep, 1000)
	def(&c.MaxJobs, 1000)
	if c.Policy == "" {
		c.Policy = "balance"
	}
	if c.Stall == 0 {
		c.Stall = time.Minute
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	return c
}

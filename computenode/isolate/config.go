package isolate

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"spillway/job"
)

// The defaults of [Config], and the least memory in which a Go program with
// native libraries starts reliably.
const (
	DefaultCommand = "/proc/self/exe"
	DefaultTimeout = 60 * time.Second
	DefaultGrace   = 2 * time.Second
	DefaultMemory  = 2 << 30
	MinMemory      = 512 << 20
)

// startTimeout is how long a child may take to say that it is ready.
const startTimeout = 30 * time.Second

// Config says what the children are and how far they may go. The zero Config is
// one of defaults.
type Config struct {
	// Size is the number of children. Zero: one a core.
	Size int
	// Command and Args start a child, which must call [Serve]. Empty Command:
	// the running binary itself.
	Command string
	Args    []string
	// Env is added to the parent's environment, as KEY=value.
	Env []string
	// Timeout is how long one task may run before its child is killed, and a [Mover] may
	// run without moving on. Zero: 60 s.
	Timeout time.Duration
	// Grace is how long a child may go on with a task that nobody waits for any
	// more, because its caller or the pool has ended. Zero: 2 s.
	Grace time.Duration
	// Memory bounds the data of one child in bytes (RLIMIT_DATA). Zero: 2 GiB.
	Memory int64
}

// Validate reports the first field that cannot be used. Errors: InvalidArgument.
func (c Config) Validate() error {
	bad := func(why, hint string) error {
		return job.E(job.InvalidArgument, "child processes", errors.New(why), hint)
	}
	switch {
	case c.Size < 0:
		return bad(fmt.Sprintf("%d is not a number of children", c.Size), "use 1 or more, or 0 for one a core")
	case c.Timeout < 0:
		return bad(fmt.Sprintf("a task timeout of %v is in the past", c.Timeout), "use a time such as 60s")
	case c.Grace < 0:
		return bad(fmt.Sprintf("a grace of %v is in the past", c.Grace), "use a time such as 2s")
	case c.Memory != 0 && c.Memory < MinMemory:
		return bad(fmt.Sprintf("%s of memory is too little for a child to start", Size(c.Memory)),
			"use "+Size(MinMemory)+" or more")
	}
	return nil
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Size == 0 {
		c.Size = runtime.GOMAXPROCS(0)
	}
	if c.Command == "" {
		c.Command = DefaultCommand
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	return c
}

// Size is a number of bytes for people: "2 GiB", "1.5 MiB", "17 bytes".
func Size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		shift int
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if bytes >= 1<<unit.shift {
			return fmt.Sprintf("%.4g %s", float64(bytes)/float64(int64(1)<<unit.shift), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

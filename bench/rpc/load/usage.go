package load

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Usage is what a process has used since it began.
type Usage struct {
	Allocations uint64        `json:"allocations"` // objects on the heap
	Allocated   uint64        `json:"allocated"`   // their bytes
	CPU         time.Duration `json:"cpu"`         // user and system, in nanoseconds
	PeakMemory  int64         `json:"peak_memory"` // resident, in bytes
}

// Self is the usage of this process. Errors: the kernel's.
func Self() (Usage, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}, fmt.Errorf("read the process's usage: %w", err)
	}
	return Usage{
		Allocations: m.Mallocs, Allocated: m.TotalAlloc,
		CPU:        time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		PeakMemory: r.Maxrss << 10,
	}, nil
}

// Plus is the usage of two processes together.
func (u Usage) Plus(o Usage) Usage {
	return Usage{u.Allocations + o.Allocations, u.Allocated + o.Allocated, u.CPU + o.CPU, u.PeakMemory + o.PeakMemory}
}

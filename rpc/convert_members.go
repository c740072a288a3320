package rpc

import (
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// What is unknown does not cross: the zero Usage and Machine, an empty map or
// list, and false.

func usageToWire(u job.Usage) *spillway.Usage {
	if u == (job.Usage{}) {
		return nil
	}
	return &spillway.Usage{
		CPUPercent: u.CPU, MemoryPercent: u.Memory, DiskFreeBytes: u.DiskFree,
		SentBytesPerS: u.Sent, ReceivedBytesPerS: u.Received,
	}
}

func usageFromWire(u *spillway.Usage) job.Usage {
	if u == nil {
		return job.Usage{}
	}
	return job.Usage{
		CPU: u.CPUPercent, Memory: u.MemoryPercent, DiskFree: u.DiskFreeBytes,
		Sent: u.SentBytesPerS, Received: u.ReceivedBytesPerS,
	}
}

func meansToWire(means map[string]time.Duration) map[string]int64 {
	if len(means) == 0 {
		return nil
	}
	out := make(map[string]int64, len(means))
	for name, mean := range means {
		out[name] = mean.Microseconds()
	}
	return out
}

func meansFromWire(means map[string]int64) map[string]time.Duration {
	if len(means) == 0 {
		return nil
	}
	out := make(map[string]time.Duration, len(means))
	for name, us := range means {
		out[name] = micros(us)
	}
	return out
}

func machineToWire(m job.Machine) *spillway.Machine {
	if m == (job.Machine{}) {
		return nil
	}
	return &spillway.Machine{Cores: small(m.Cores), MemoryBytes: m.Memory, Gpu: m.GPU, System: m.System}
}

func machineFromWire(m *spillway.Machine) job.Machine {
	if m == nil {
		return job.Machine{}
	}
	return job.Machine{Cores: int(m.Cores), Memory: m.MemoryBytes, GPU: m.Gpu, System: m.System}
}

func registrationToWire(r job.Registration) *spillway.Registration {
	return &spillway.Registration{Name: string(r.Node), Address: r.Addr, Tags: r.Tags, Leaving: onlyTrue(r.Leaving)}
}

func registrationFromWire(r *spillway.Registration) job.Registration {
	return job.Registration{Node: job.NodeID(r.Name), Addr: r.Address, Tags: filled(r.Tags), Leaving: r.GetLeaving()}
}

// onlyTrue is an optional field that is left out where it is false.
func onlyTrue(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}

// filled is list, or nil where it has nothing.
func filled(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's CPU times; it is 10 ms on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// cpuTime is the CPU time that a process has used, zero for one that is gone.
func cpuTime(pid int) time.Duration { return cpuTimes(pid, 2) }

// cpuTimeOfAll is cpuTime with that of the processes that it has started, and they in
// turn, and which have ended.
func cpuTimeOfAll(pid int) time.Duration { return cpuTimes(pid, 4) }

// cpuTimes sums the first n of: user and system time, and both of ended children.
func cpuTimes(pid, n int) time.Duration {
	const user = 11
	fields := statFields(pid)
	if len(fields) < user+n {
		return 0
	}
	var sum int64
	for _, field := range fields[user : user+n] {
		ticks, _ := strconv.ParseInt(field, 10, 64)
		sum += ticks
	}
	return time.Duration(sum) * tick
}

// statFields are those of /proc/PID/stat from the third, the state, on.
func statFields(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	end := bytes.LastIndexByte(stat, ')') // the name before it may hold anything
	if err != nil || end < 0 {
		return nil
	}
	return strings.Fields(string(stat[end+1:]))
}

// busy is the CPU time that all programs together have used since the machine
// started, with what a hypervisor has withheld from it.
func busy() time.Duration {
	stat, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(stat), "\n")
	const idle, iowait, guest = 4, 5, 9 // guest is counted in user too
	var sum int64
	for i, field := range strings.Fields(first) {
		if n, err := strconv.ParseInt(field, 10, 64); err == nil && i != idle && i != iowait && i < guest {
			sum += n
		}
	}
	return time.Duration(sum) * tick
}

// children are the processes that a process has started and that still run.
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, list := range lists {
		names, _ := os.ReadFile(list)
		for name := range strings.FieldsSeq(string(names)) {
			if child, err := strconv.Atoi(name); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// peakMemory is the most memory that a process had resident, in bytes.
func peakMemory(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmHWM", path)
}

// cpuModel is the name of the processor.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage is that of the last minute, as the kernel gives it.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

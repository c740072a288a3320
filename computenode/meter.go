package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"

	"spillway/job"
)

// meterEvery is how often the use of the machine is measured.
const meterEvery = time.Second

// meter measures what the machine has in use, beside the calls that ask for it.
type meter struct {
	dir string // whose file system's free space counts

	mu    sync.Mutex // guards usage
	usage job.Usage

	sent, received uint64    // at the last measurement; the loop's own
	at             time.Time // of the last measurement; the loop's own
}

// run measures at once and then once a second until ctx ends. What the system
// does not tell stays zero.
func (m *meter) run(ctx context.Context) {
	tick := time.NewTicker(meterEvery)
	defer tick.Stop()
	for {
		m.measure(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read is the last measurement.
func (m *meter) read() job.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage
}

func (m *meter) measure(ctx context.Context) {
	var u job.Usage
	if percent, err := cpu.PercentWithContext(ctx, 0, false); err == nil && len(percent) == 1 {
		u.CPU = percent[0]
	}
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		u.Memory = memory.UsedPercent
	}
	if space, err := disk.UsageWithContext(ctx, m.dir); err == nil {
		u.DiskFree = int64(space.Free)
	}
	if links, err := net.IOCountersWithContext(ctx, true); err == nil {
		m.traffic(&u, links, time.Now())
	}
	m.mu.Lock()
	m.usage = u
	m.mu.Unlock()
}

// traffic is what all links but loopback carried since the last measurement. A
// counter that went back, as that of a link that is gone, counts as nothing.
func (m *meter) traffic(u *job.Usage, links []net.IOCountersStat, now time.Time) {
	var sent, received uint64
	for _, l := range links {
		if l.Name != "lo" {
			sent += l.BytesSent
			received += l.BytesRecv
		}
	}
	if passed := now.Sub(m.at).Seconds(); !m.at.IsZero() && passed > 0 {
		if sent >= m.sent {
			u.Sent = int64(float64(sent-m.sent) / passed)
		}
		if received >= m.received {
			u.Received = int64(float64(received-m.received) / passed)
		}
	}
	m.sent, m.received, m.at = sent, received, now
}

// thisMachine is what the node runs on; what cannot be found out stays empty.
func thisMachine() job.Machine {
	m := job.Machine{Cores: runtime.NumCPU(), GPU: gpu("/"), System: runtime.GOOS + "/" + runtime.GOARCH}
	if memory, err := mem.VirtualMemory(); err == nil {
		m.Memory = int64(memory.Total)
	}
	if platform, _, version, err := host.PlatformInformation(); err == nil && platform != "" {
		m.System += ", " + strings.TrimSpace(platform+" "+version)
	}
	return m
}

// gpu names the graphics processors below root, as the drivers of Linux show them:
// the model of each of NVIDIA's, else the kernel's driver of each render node; ""
// where there is none.
func gpu(root string) string {
	var names []string
	cards, _ := filepath.Glob(filepath.Join(root, "proc/driver/nvidia/gpus/*/information"))
	for _, card := range cards {
		text, _ := os.ReadFile(card)
		name := "NVIDIA"
		for line := range strings.Lines(string(text)) {
			if model, ok := strings.CutPrefix(line, "Model:"); ok {
				name = strings.TrimSpace(model)
			}
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		nodes, _ := filepath.Glob(filepath.Join(root, "dev/dri/renderD*"))
		for _, node := range nodes {
			name := "render node"
			link := filepath.Join(root, "sys/class/drm", filepath.Base(node), "device/driver")
			if driver, err := os.Readlink(link); err == nil {
				name = filepath.Base(driver)
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestTail_KeepsTheLastThousandLines(t *testing.T) {
	l := &tail{}
	require.Empty(t, l.last(5))
	log := slog.New(slog.NewTextHandler(l, nil))
	for i := range 2500 {
		log.Info("said", "i", i)
		if i == 2 {
			require.Len(t, l.last(1000), 3)
		}
	}
	got := l.last(2000)
	require.Len(t, got, 1000)
	for i, line := range got {
		require.True(t, strings.HasSuffix(line, fmt.Sprintf(" i=%d", 1500+i)), line)
	}
	require.Equal(t, got[997:], l.last(3))
	require.Empty(t, l.last(-1))
	log.Info("said", "much", strings.Repeat("x", 10_000))
	require.Len(t, l.last(1)[0], tailBytes)
}

func TestMeter_CountsTrafficBeyondLoopbackByTheSecond(t *testing.T) {
	m, now := &meter{}, time.Unix(0, 0)
	at := func(after time.Duration, sent, received uint64) job.Usage {
		var u job.Usage
		links := []psnet.IOCountersStat{{Name: "lo", BytesSent: 1 << 40}, {Name: "eth0", BytesSent: sent / 2, BytesRecv: received}, {Name: "eth1", BytesSent: sent / 2}}
		m.traffic(&u, links, now.Add(after))
		return u
	}
	require.Zero(t, at(0, 1000, 1000), "nothing to compare with")
	require.Equal(t, job.Usage{Sent: 500, Received: 1000}, at(2*time.Second, 2000, 3000))
	require.Equal(t, job.Usage{Received: 7}, at(3*time.Second, 0, 3007), "a link is gone")
}

func TestMeter_MeasuresThisMachineAtOnce(t *testing.T) {
	m := &meter{dir: t.TempDir()}
	require.Zero(t, m.read())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	m.measure(t.Context())
	m.run(ctx) // ends with ctx
	m.measure(t.Context())
	u := m.read()
	require.Positive(t, u.Memory)
	require.Positive(t, u.DiskFree)
	require.GreaterOrEqual(t, u.CPU, 0.0)

	machine := thisMachine()
	require.Positive(t, machine.Cores)
	require.Positive(t, machine.Memory)
	require.True(t, strings.HasPrefix(machine.System, "linux/") || machine.System != "", machine.System)
}

func TestGPU_IsNamedAsItsDriverDoes(t *testing.T) {
	root := t.TempDir()
	put := func(path, text string) {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.Empty(t, gpu(root))
	put("dev/dri/renderD128", "")
	put("dev/dri/card0", "")
	require.Equal(t, "render node", gpu(root))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sys/class/drm/renderD128/device"), 0o755))
	require.NoError(t, os.Symlink("../../../bus/pci/drivers/amdgpu", filepath.Join(root, "sys/class/drm/renderD128/device/driver")))
	require.Equal(t, "amdgpu", gpu(root))
	put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA A100\nIRQ:   17\n")
	put("proc/driver/nvidia/gpus/0000:02:00.0/information", "Model: \t\t NVIDIA A100\n")
	require.Equal(t, "NVIDIA A100, NVIDIA A100", gpu(root))
}

// fakeRegistrar answers as its test tells.
type fakeRegistrar struct {
	mu   sync.Mutex
	err  error
	seen []time.Time
	last job.Registration
}

func (f *fakeRegistrar) Register(_ context.Context, r job.Registration) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.last = append(f.seen, time.Now()), r
	return 5 * time.Second, f.err
}

// answers sets the answer, and forgets what was seen.
func (f *fakeRegistrar) answers(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.seen = err, nil
}

func (f *fakeRegistrar) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

func TestJoiner_RegistersAgainAndAgainThroughAbsences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		server := &fakeRegistrar{err: job.E(job.Unavailable, "server h:1", errors.New("connection refused"), "start it")}
		j := &joiner{server: server, addr: "h:1", self: job.Registration{Node: "node_9", Addr: ":5000"}, log: slog.New(slog.NewTextHandler(&logs, nil))}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); j.run(ctx) }()
		time.Sleep(time.Minute)
		require.InDelta(t, 60/3.75, server.times(), 6, "the pauses grow to five seconds, half of it drawn")
		server.answers(nil)
		time.Sleep(time.Minute)
		require.InDelta(t, 12, server.times(), 2)
		server.answers(job.E(job.AlreadyExists, "register node_9", errors.New("a node of that name answers at h:2"), "choose another --worker-name"))
		time.Sleep(time.Minute)
		server.answers(nil)
		time.Sleep(10 * time.Second)
		stop()
		<-ended
		j.leave(ctx)
		require.True(t, server.last.Leaving)
		require.Equal(t, 4, strings.Count(logs.String(), "\n"), "once a change:\n%s", logs.String())
		require.Contains(t, logs.String(), `err="server h:1: connection refused" mend="start it"`)
		require.Contains(t, logs.String(), `mend="choose another --worker-name"`)
	})
}

func TestJoinConfig_RegistersWhereItCanBeReached(t *testing.T) {
	at := func(s string) net.Addr { a, err := net.ResolveTCPAddr("tcp", s); require.NoError(t, err); return a }
	require.Equal(t, ":5007", (&joinConfig{}).registration("n", at("0.0.0.0:5007")).Addr)
	require.Equal(t, ":5007", (&joinConfig{}).registration("n", at("[::]:5007")).Addr)
	require.Equal(t, "10.0.0.9:5007", (&joinConfig{}).registration("n", at("10.0.0.9:5007")).Addr)
	require.Equal(t, "lab:80", (&joinConfig{Advertise: "lab:80"}).registration("n", at("0.0.0.0:5007")).Addr)
	for controller, want := range map[string]string{
		"127.0.0.1:5000": "127.0.0.1:0", "localhost:5000": "127.0.0.1:0", "[::1]:5000": "127.0.0.1:0", "lab:5000": "0.0.0.0:0", "10.0.0.1:5000": "0.0.0.0:0",
	} {
		require.Equal(t, want, (&joinConfig{Controller: controller}).listen())
	}
}

func TestParse_MembershipFlags(t *testing.T) {
	t.Chdir(t.TempDir()) // no machine.txt
	c, err := parse([]string{"0", "--controller", "127.0.0.1:5000", "--worker-name", "node_lab", "--tags", "lab-2, gpu,gpu"})
	require.NoError(t, err)
	require.Equal(t, job.NodeID("node_lab"), c.Worker.Node)
	require.Equal(t, []string{"gpu", "lab-2"}, c.Worker.Tags)
	require.Equal(t, "127.0.0.1:0", c.Listen)
	for args, want := range map[string]string{
		"0|--controller|127.0.0.1:5000":                            "--worker-name: it is missing",
		"0|--controller|lab|--worker-name|n":                       `--controller "lab": it is not HOST:PORT`,
		"0|--controller|:5000|--worker-name|n":                     `--controller ":5000": it names no host`,
		"0|--controller|h:0|--worker-name|n":                       `--controller "h:0": it is not HOST:PORT`,
		"0|--controller|h:1|--worker-name|a b":                     "it cannot name a node",
		"0|--controller|h:1|--worker-name|n|--advertise|0.0.0.0:5": `--advertise "0.0.0.0:5": it names no host`,
		"0|--listen|127.0.0.1:0|--worker-name|n":                   "--worker-name: it needs a server to join",
		"0|--listen|127.0.0.1:0|--advertise|h:1":                   "--advertise: it needs a server to join",
		"0|--listen|127.0.0.1:0|--tags|a b":                        `"a b" is not a tag`,
		"0|--listen|127.0.0.1:0|--tags|" + strings.Repeat("a", 65): "is not a tag",
	} {
		var errs bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), strings.Split(args, "|"), nil, &errs), args)
		requireOneLine(t, errs.String(), want)
	}
}

func TestProgram_TellsItsMachineUsageAndLog(t *testing.T) {
	conn, stop := startProgram(t, "0", "--slots", "1", "--tags", "gpu", "--isolate", "off", "--root", t.TempDir())
	profile, err := conn.Profile(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"gpu"}, profile.Tags)
	require.Positive(t, profile.Machine.Cores)
	require.Eventually(t, func() bool {
		load, err := conn.Probe(t.Context())
		return err == nil && load.Usage.DiskFree > 0
	}, 20*time.Second, time.Millisecond)
	_, err = conn.Log(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, exitDone, stop())
}

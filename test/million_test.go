package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A directory costs the server no memory in proportion: 150 MB are enough for a
// million files. The programs are built without the race detector, so that their
// memory is what a user sees. SPILLWAY_FILES sets another number of files.
func TestMillion_ServerStaysSmall(t *testing.T) {
	files := 20_000
	if s := os.Getenv("SPILLWAY_FILES"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		files = n
	}
	dir := quickDisk(t)
	c := newCluster(t, []string{"--root", dir}, nodeArgs{"0", "--root", dir}, nodeArgs{"0", "--root", dir})
	in := filepath.Join(dir, "data", "input_dir")
	require.NoError(t, os.MkdirAll(in, 0o755))
	touch(t, in, files)
	r, code := c.run(filepath.Join(dir, "data"), "--op", "none")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, files, r.Done)
	peak := peakMemory(t, c.server.cmd.Process.Pid)
	t.Logf("%d files: the server's peak resident memory is %d MB", files, peak>>20)
	require.LessOrEqual(t, peak, int64(150<<20))
}

// quickDisk is a directory in memory where there is room, since a disk may take
// minutes to make and remove so many files.
func quickDisk(t *testing.T) string {
	const memory, room = "/dev/shm", 4 << 30
	var fs unix.Statfs_t
	if err := unix.Statfs(memory, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) >= room {
		t.Setenv("TMPDIR", memory)
	}
	return t.TempDir()
}

// peakMemory is the most memory that a process had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, m)
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return kb << 10
}

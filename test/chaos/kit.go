package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// kit is what all runs share: the programs, the pictures and what these become
// where nothing goes wrong.
type kit struct {
	dir      string // of the kit itself
	bin      string
	pictures string // a folder of maxInputs pictures
	template string // an empty database; "": there is no PostgreSQL
	means    means

	mu       sync.Mutex                   // held while a reference is made
	expected map[string]map[string]string // by operation: the hash of each output
}

// newKit builds the programs, unless they are in the folder bin, and makes the
// pictures, below a temporary folder.
func newKit(ctx context.Context, bin string) (*kit, error) {
	dir, err := os.MkdirTemp("", "spillway-chaos-kit-")
	if err != nil {
		return nil, err
	}
	k := &kit{dir: dir, bin: bin, pictures: filepath.Join(dir, "pictures"), expected: map[string]map[string]string{}}
	if err := os.Chmod(dir, 0o755); err != nil { // the database has another user
		return nil, err
	}
	if bin == "" {
		k.bin = filepath.Join(dir, "bin")
		if err := build(ctx, k.bin); err != nil {
			return nil, errors.Join(err, k.close())
		}
	}
	if err := k.prepare(); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// build builds the programs.
func build(ctx context.Context, bin string) error {
	// As a user would build them, and not with the race detector: a dozen of them share
	// few cores here, and their packages' own tests have it.
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin+"/", "spillway/client", "spillway/server", "spillway/computenode")
	if buildTags != "" {
		cmd.Args = append(cmd.Args[:2], append([]string{"-tags", buildTags}, cmd.Args[2:]...)...)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return nil
}

// prepare makes what the runs need.
func (k *kit) prepare() error {
	if err := makePictures(k.pictures); err != nil {
		return err
	}
	k.means = look(k.dir)
	if !k.means.postgres {
		return nil
	}
	k.template = filepath.Join(k.dir, "template")
	return makeTemplate(k.template)
}

// close removes the kit.
func (k *kit) close() error { return os.RemoveAll(k.dir) }

// look finds out what this machine allows, by trying; dir is a folder to do so in.
func look(dir string) means {
	m := means{postgres: postgresBin() != "", mounts: unix.Mount("spillway-chaos", dir, "tmpfs", 0, "size=1m") == nil}
	if m.mounts {
		m.mounts = unix.Unmount(dir, 0) == nil
	}
	if _, err := os.Stat(faketime); err == nil {
		m.clock = m.postgres
	}
	if h, err := newHost("a try", true, netip.AddrFrom4([4]byte{10, 77, 0, 1})); err == nil {
		m.hosts = true
		h.close()
	}
	return m
}

// lacks says what the plan needs and this machine does not have; "": nothing.
func (m means) lacks(need means) string {
	switch {
	case need.hosts && !m.hosts:
		return "hosts of its own (root, /dev/net/tun and iproute2)"
	case need.mounts && !m.mounts:
		return "small file systems (root)"
	case need.postgres && !m.postgres:
		return "PostgreSQL (Debian: postgresql)"
	case need.clock && !m.clock:
		return "a clock that can be set (Debian: libfaketime)"
	}
	return ""
}

// reference is the hash of each output of an operation in a cluster where nothing
// goes wrong. It is made once.
func (k *kit) reference(ctx context.Context, operation string) (map[string]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if made, ok := k.expected[operation]; ok {
		return made, nil
	}
	quiet := plan{
		servers: 1, inputs: maxInputs, operation: operation, policy: "random", window: 16,
		nodes: []nodePlan{{isolated: true}, {isolated: false}},
	}
	c, err := newCluster(k, quiet)
	if err != nil {
		return nil, err
	}
	err = c.begin(ctx)
	if err == nil {
		_, err = c.wait(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the run without faults: %w", err), c.close())
	}
	made, err := hashes(c.outputs())
	if err == nil && len(made) != maxInputs {
		err = fmt.Errorf("the run without faults made %d outputs of %d inputs", len(made), maxInputs)
	}
	if err = errors.Join(err, c.close(), c.remove()); err != nil {
		return nil, err
	}
	k.expected[operation] = made
	return made, nil
}

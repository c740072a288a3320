package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// diskSize is how large the small disks are, which faults fill up: roomy enough
// for all that a run keeps there.
const diskSize = 16 << 20

// stateDir is the folder of a server's own files.
func (c *cluster) stateDir() string { return filepath.Join(c.dir, "state") }

// makeDisks puts a small disk under each folder that is to be full.
func (c *cluster) makeDisks() error {
	dirs := map[kind]string{fullState: c.stateDir(), fullOutput: c.outputs()}
	for _, f := range c.plan.faults {
		dir, ok := dirs[f.kind]
		if f.kind == fullWorkspace {
			dir, ok = c.workspace(f.node), true
		}
		if !ok {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("spillway-chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
			return fmt.Errorf("mount a small disk: %w", err)
		}
		c.mounts = append(c.mounts, dir)
	}
	return nil
}

// ballast is the name of the file that fills a disk up. It is taken away again.
const ballast = ".ballast"

// filled leaves no byte free on the disk of dir.
func (c *cluster) filled(dir string) (func() error, error) {
	path := filepath.Join(dir, ballast)
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err = file.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if err = errors.Join(err, file.Close()); !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("the disk does not get full: %w", err)
	}
	return func() error { return os.Remove(path) }, nil
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"spillway/job"
)

// checkProcesses checks that no process of the run is left.
func (c *cluster) checkProcesses() (wrong []string) {
	left := leftProcesses(c.dir)
	for begun := time.Now(); len(left) > 0 && time.Since(begun) < 5*time.Second; left = leftProcesses(c.dir) {
		time.Sleep(50 * time.Millisecond) // the kernel ends the children of a process after it
	}
	for _, p := range left {
		wrong = append(wrong, "left behind: process "+p)
	}
	return wrong
}

// checkFiles checks that nothing lies beside the folder's inputs and outputs, and
// that the workspaces are empty.
func (c *cluster) checkFiles() (wrong []string) {
	for _, dir := range []string{filepath.Join(c.dir, "data"), filepath.Join(c.dir, "elsewhere")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return append(wrong, err.Error())
		}
		for _, e := range entries {
			if e.Name() != job.InputDir && e.Name() != job.OutputDir {
				wrong = append(wrong, "left behind: "+filepath.Join(dir, e.Name()))
			}
		}
	}
	for i, node := range c.nodes {
		if node.crashes { // for good: its next start would remove what it left
			continue
		}
		err := filepath.WalkDir(c.workspace(i), func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && entry.Name() != workspaceLock {
				wrong = append(wrong, "left behind: "+path)
			}
			return err
		})
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

// workspaceLock is the file by which a node holds its workspace while it lives.
const workspaceLock = "lock"

// checkLogs checks that no program panicked, be it that it went on.
func (c *cluster) checkLogs() (wrong []string) {
	for _, p := range append(append([]*process(nil), c.servers...), c.nodes...) {
		text, _, _ := strings.Cut(p.said(), stacksBegin)
		for line := range strings.Lines(text) {
			if strings.Contains(line, "panic") || strings.HasPrefix(line, "fatal error:") {
				wrong = append(wrong, p.name+" said: "+strings.TrimSpace(line))
			}
		}
	}
	return wrong
}

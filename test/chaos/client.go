package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/job"
)

// answer is what client job --json prints, as far as it is looked at.
type answer struct {
	ID                               job.ID
	State                            job.State
	Total, Done, Failed, Quarantined int64
	Running, Parked                  int64
	Nodes                            []struct {
		Node string
		Done int64
	}
	Tasks []task
	Error *struct{ Code, Message string }
}

type task struct {
	Index    int64
	Name     string
	State    job.TaskState
	Attempts []struct {
		Number int
		Node   string
		Error  *struct{ Code string }
	}
}

// aNode is what client nodes --json prints of a node.
type aNode struct {
	Name                                  string
	State                                 job.NodeState
	Running, Queued, Delayed, Outstanding int
}

// client runs the client for server i to its end and gives what it printed.
func (c *cluster) client(ctx context.Context, i int, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.kit.bin, "client"), append(args, "--server", c.addrs[i])...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), mark+"="+c.dir)
	err := errors.New("the host is gone")
	c.servers[i].host.do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("client %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), err
}

// asked is a server that can be asked: the first that runs.
func (c *cluster) asked() int {
	for i, s := range c.servers {
		if s.answers() {
			return i
		}
	}
	return 0
}

// askJob asks for the job, with its tasks that are done where all is true.
func (c *cluster) askJob(ctx context.Context, all bool) (answer, error) {
	args := []string{"job", string(c.id), "--json"}
	if all {
		args = append(args, "--state", "done", "--limit", strconv.Itoa(c.plan.inputs+10))
	}
	var a answer
	out, err := c.client(ctx, c.asked(), args...)
	if err == nil {
		err = json.Unmarshal([]byte(out), &a)
	}
	return a, err
}

// askNodes asks server i for the nodes.
func (c *cluster) askNodes(i int) ([]aNode, error) {
	out, err := c.client(context.Background(), i, "nodes", "--json")
	var nodes []aNode
	for line := range strings.Lines(out) {
		var n aNode
		if bad := json.Unmarshal([]byte(line), &n); bad != nil {
			return nil, bad
		}
		nodes = append(nodes, n)
	}
	return nodes, err
}

// endsWithin bounds how long a job may take under faults.
const endsWithin = 90 * time.Second

// wait waits for the job's end.
func (c *cluster) wait(ctx context.Context) (answer, error) {
	var last answer
	var err error
	for begun := time.Now(); time.Since(begun) < endsWithin; {
		if err := c.tend(); err != nil {
			return last, err
		}
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		a, bad := c.askJob(asking, false)
		cancel()
		if err = bad; err == nil {
			last = a
		}
		if last.State.Final() {
			c.note("job is %s: %d of %d done", last.State, last.Done, last.Total)
			c.mu.Lock()
			c.over = true
			c.mu.Unlock()
			return last, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
	return last, errors.Join(fmt.Errorf("the job has not ended within %v: %s, %d of %d done, %d parked",
		endsWithin, last.State, last.Done, last.Total, last.Parked), err)
}

// rest waits until each node that runs is back, and none has anything to do any more.
func (c *cluster) rest(ctx context.Context) error {
	busy := ""
	for begun := time.Now(); time.Since(begun) < patience; {
		if err := c.tend(); err != nil {
			return err
		}
		if busy = c.busy(); busy == "" {
			return nil
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("the nodes do not come to rest: %s", busy)
}

// busy says which node is not back, or has something to do, as any server sees it;
// "": none.
func (c *cluster) busy() string {
	for i, s := range c.servers {
		if !s.answers() {
			continue
		}
		nodes, err := c.askNodes(i)
		if err != nil {
			return err.Error()
		}
		for _, n := range nodes {
			runs := slices.ContainsFunc(c.nodes, func(p *process) bool { return p.name == n.Name && p.answers() })
			if runs && n.State == job.Inaccessible {
				return n.Name + " runs, and " + s.name + " does not reach it"
			}
			if n.State != job.Inaccessible && n.Running+n.Queued+n.Delayed+n.Outstanding > 0 {
				return fmt.Sprintf("%s has %+v", s.name, n)
			}
		}
	}
	return ""
}

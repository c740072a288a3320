package load

import (
	"cmp"
	"context"
	"fmt"
	"syscall"

	"spillway/job"
)

// Run runs one job to its end, as the assignment's client does, and returns it, also where
// it failed and the server still tells of it. Errors: those of the server; plain, where a
// task is not done.
func (c *Cluster) Run(ctx context.Context, spec job.Spec) (job.Job, error) {
	spec.ID = cmp.Or(spec.ID, job.NewID())
	conn := c.conn()
	_, failed := conn.Run(ctx, spec, false)
	if failed != nil && job.CodeOf(failed) != job.DeadlineExceeded {
		return job.Job{}, failed
	}
	j, err := conn.Job(ctx, spec.ID)
	if failed != nil {
		return j, failed
	}
	if err == nil && j.State != job.Succeeded {
		err = fmt.Errorf("job %s: %s, %d of %d tasks done", j.ID, j.State, j.Done, j.Total)
	}
	return j, err
}

// Tasks are all tasks of a job, with what they went through. Errors: NotFound,
// Unavailable.
func (c *Cluster) Tasks(ctx context.Context, id job.ID) ([]job.TaskInfo, error) {
	const page = 1000
	var all []job.TaskInfo
	for after := int64(-1); ; after = all[len(all)-1].Index {
		some, err := c.conn().Tasks(ctx, id, job.TaskFilter{After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page {
			return all, nil
		}
	}
}

// Kill ends node i as kill -9 does, with its child processes. One that is dead stays
// so.
func (c *Cluster) Kill(i int) {
	p := c.nodes[i]
	if p.hasEnded() {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// Restart starts node i, which has ended, once more. Errors: those of Start.
func (c *Cluster) Restart(i int) error {
	p, err := c.startNode(i)
	if err == nil {
		c.nodes[i] = p
	}
	return err
}

// Failure is err with the end of what each program said.
func (c *Cluster) Failure(err error) error { return failure(err, c.all()...) }

// Started is the commands that the cluster was started with, for the record.
func (c *Cluster) Started() string { return c.started }

package rpc

import (
	"context"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// Tasks implements [job.Service].
func (s *ServiceConn) Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	var tasks []*spillway.TaskInfo
	err := s.call(ctx, "tasks", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		tasks, err = c.Tasks(ctx, string(id), taskFilterToWire(f))
		return err
	})
	return convert(tasks, taskInfoFromWire), err
}

// Retry implements [job.Service].
func (s *ServiceConn) Retry(ctx context.Context, id job.ID) error {
	return s.call(ctx, "retry_failed", func(ctx context.Context, c *spillway.ServerClient) error {
		return c.RetryFailed(ctx, string(id))
	})
}

package rpc

import (
	"context"

	"spillway/gen-go/spillway"
	"spillway/job"
)

func (h *serviceHandler) Tasks(ctx context.Context, id string, f *spillway.TaskFilter) ([]*spillway.TaskInfo, error) {
	tasks, err := h.service.Tasks(ctx, job.ID(id), taskFilterFromWire(f))
	if err != nil {
		return nil, failureToWire(err)
	}
	return convert(tasks, taskInfoToWire), nil
}

func (h *serviceHandler) RetryFailed(ctx context.Context, id string) error {
	if err := h.service.Retry(ctx, job.ID(id)); err != nil {
		return failureToWire(err)
	}
	return nil
}

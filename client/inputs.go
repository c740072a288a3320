package main

import (
	"context"
	"fmt"
	"strconv"

	"spillway/job"
	"spillway/view"
)

// look is a job with its inputs that were split or joined, as far as the server tells.
func (s *session) look(ctx context.Context, id job.ID) (job.Job, []view.Input, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events, err := s.conn.Watch(watching, id, job.AllSteps)
	if err != nil {
		return job.Job{}, nil, err
	}
	e, ok := <-events
	if !ok {
		j, err := s.conn.Job(ctx, id)
		return j, nil, err
	}
	return e.Job, view.Inputs(e.Steps), nil
}

// printInputs prints a row for each input that was split.
func (s *session) printInputs(inputs []view.Input) {
	if len(inputs) == 0 {
		return
	}
	fmt.Fprintln(s.out.stdout)
	t := table{text: 1}
	t.row("input", "parts", "split s", "join s", "size", "error")
	for _, in := range inputs {
		split, join, bytes, why := "-", "-", "-", ""
		if in.SplitMS > 0 {
			split = fmt.Sprintf("%.3f", in.SplitMS/1000)
		}
		if in.Joined {
			join, bytes = fmt.Sprintf("%.3f", in.JoinMS/1000), size(in.Bytes)
		}
		if in.Error != nil {
			why = in.Error.Message
		}
		t.row(job.Shown(in.Name), strconv.Itoa(in.Parts), split, join, bytes, why)
	}
	t.print(s.out.stdout)
	if len(inputs) >= job.MaxSteps/2 { // each has two steps
		fmt.Fprintln(s.out.stdout, "\nThe server tells only of the latest inputs.")
	}
}

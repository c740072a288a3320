package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"spillway/job"
)

// input is what the server itself did for one input of a job.
type input struct {
	name        string
	parts       int
	split, join time.Duration
	joined      bool
	bytes       int64
	err         *job.Error // why it is not joined
}

// look is a job with its inputs that were split or joined, as far as the server tells.
func (s *session) look(ctx context.Context, id job.ID) (job.Job, []input, error) {
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
	return e.Job, inputsOf(e.Steps), nil
}

// inputsOf gathers the steps of each input. The last time that it was joined counts.
func inputsOf(steps []job.Step) []input {
	var all []input
	for _, st := range steps {
		if st.Kind == job.TaskStep || st.Kind == job.JoiningStep {
			continue
		}
		at := slices.IndexFunc(all, func(in input) bool { return in.name == st.Name })
		if at < 0 {
			at, all = len(all), append(all, input{name: st.Name, parts: st.Parts})
		}
		if in := &all[at]; st.Kind == job.SplitStep {
			in.split = st.Took
		} else {
			in.join, in.joined, in.bytes, in.err = st.Took, st.Err == nil, st.Bytes, st.Err
		}
	}
	return all
}

// printInputs prints a row for each input that was split.
func (s *session) printInputs(inputs []input) {
	if len(inputs) == 0 {
		return
	}
	fmt.Fprintln(s.out.stdout)
	t := table{text: 1}
	t.row("input", "parts", "split s", "join s", "size", "error")
	for _, in := range inputs {
		split, join, bytes, why := "-", "-", "-", ""
		if in.split > 0 {
			split = fmt.Sprintf("%.3f", in.split.Seconds())
		}
		if in.joined {
			join, bytes = fmt.Sprintf("%.3f", in.join.Seconds()), size(in.bytes)
		}
		if in.err != nil {
			why = in.err.Error()
		}
		t.row(job.Shown(in.name), strconv.Itoa(in.parts), split, join, bytes, why)
	}
	t.print(s.out.stdout)
	if len(inputs) >= job.MaxSteps/2 { // each has two steps
		fmt.Fprintln(s.out.stdout, "\nThe server tells only of the latest inputs.")
	}
}

func inputView(in input) inputJSON {
	return inputJSON{
		Name: in.name, Parts: in.parts, SplitMS: ms(in.split), Joined: in.joined, JoinMS: ms(in.join), Bytes: in.bytes, Error: errorView(in.err),
	}
}

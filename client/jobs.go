package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"spillway/job"
	"spillway/view"
)

// jobs lists the jobs, newest first.
func (s *session) jobs(ctx context.Context) error {
	f := job.Filter{Limit: s.cfg.limit, After: job.ID(s.cfg.after), OldestFirst: s.cfg.oldest}
	for _, state := range s.cfg.states {
		f.States = append(f.States, job.State(state))
	}
	all, err := s.conn.Jobs(ctx, f)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return printEach(s, all, jobNow)
	}
	t := tabwriter.NewWriter(s.out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tstate\tdone\tfailed\ttime s\tpolicy\toperation\tsource")
	for _, j := range all {
		state := string(j.State)
		if j.Position > 0 {
			state += " #" + strconv.Itoa(j.Position)
		}
		fmt.Fprintf(t, "%s\t%s\t%d/%d\t%d\t%.1f\t%s\t%s\t%s\n", j.ID, state, j.Done, j.Total,
			j.Failed+j.Quarantined, j.Elapsed(time.Now()).Seconds(), j.Spec.Policy, j.Spec.Operation, job.Shown(j.Spec.Source))
	}
	return t.Flush()
}

// job shows one job, and its tasks in the states that are asked for: without
// --state, those that run or have failed and, where inputs were split, those that are done.
func (s *session) job(ctx context.Context) error {
	id := job.ID(s.cfg.arg)
	j, inputs, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	f := job.TaskFilter{After: -1, Limit: s.cfg.limit, States: []job.TaskState{job.TaskRunning, job.TaskFailed, job.TaskQuarantined}}
	if s.cfg.after != "" {
		if f.After, err = strconv.ParseInt(s.cfg.after, 10, 64); err != nil {
			return bad(fmt.Sprintf("--after %q is not the index of a task", s.cfg.after))
		}
	}
	if len(inputs) > 0 {
		f.States = append(f.States, job.TaskDone)
	}
	if len(s.cfg.states) > 0 {
		f.States = nil
		for _, state := range s.cfg.states {
			f.States = append(f.States, job.TaskState(state))
		}
	}
	tasks, err := s.conn.Tasks(ctx, id, f)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return s.printJSON(view.JobWithTasks{Job: jobNow(j), Inputs: inputs, Tasks: view.Each(tasks, view.OfTask)})
	}
	s.printJobs([]job.Job{j})
	if j.Position > 0 {
		fmt.Fprintf(s.out.stdout, "\nwaits as number %d: %s\n", j.Position, j.Reason)
	}
	if note := trouble(j); note != "" {
		fmt.Fprintln(s.out.stdout, "\n"+note)
	}
	s.printInputs(inputs)
	s.printTasks(tasks)
	if most := cmp.Or(s.cfg.limit, defaultTasks); len(tasks) == most {
		fmt.Fprintf(s.out.stdout, "\nthere may be more: client job %s --after %d\n", id, tasks[most-1].Index)
	}
	return nil
}

// defaultTasks is how many tasks a server tells of that is not asked for a number.
const defaultTasks = 100

// printTasks prints a row for each attempt, one for a task without any, and one without a
// node for the end of a task that no node had then.
func (s *session) printTasks(tasks []job.TaskInfo) {
	if len(tasks) == 0 {
		return
	}
	fmt.Fprintln(s.out.stdout)
	t := table{text: 4}
	t.row("task", "name", "state", "node", "attempt", "queued ms", "run ms", "total ms", "error")
	nowhere := false
	for _, task := range tasks {
		cells := []string{strconv.FormatInt(task.Index, 10), job.Label(task.Name), string(task.State)}
		if len(task.Attempts) == 0 {
			t.row(append(cells, "-", "-", "-", "-", "-", "")...)
		}
		for _, a := range task.Attempts {
			t.row(append(slices.Clone(cells), attemptCells(a)...)...)
			cells = []string{"", "", ""}
			nowhere = nowhere || a.Number == 0
		}
	}
	t.print(s.out.stdout)
	if nowhere {
		fmt.Fprintln(s.out.stdout, "\nA row without a node is no attempt: no node had the task when it ended.")
	}
}

// attemptCells are the columns of an attempt.
func attemptCells(a job.Attempt) []string {
	if a.Number == 0 {
		return []string{"-", "-", "-", "-", "-", attemptError(a)}
	}
	return []string{
		string(a.Node), strconv.Itoa(a.Number),
		fmt.Sprintf("%.1f", view.Milliseconds(a.Queued)), fmt.Sprintf("%.1f", view.Milliseconds(a.Run)), fmt.Sprintf("%.1f", view.Milliseconds(a.Took)), attemptError(a),
	}
}

func attemptError(a job.Attempt) string {
	if a.Err == nil {
		return ""
	}
	return a.Err.Error()
}

// retry makes what an ended job has not done pending again.
func (s *session) retry(ctx context.Context) error {
	id := job.ID(s.cfg.arg)
	if err := s.conn.Retry(ctx, id); err != nil {
		return err
	}
	if s.cfg.detach {
		return nil
	}
	return s.watch(ctx)
}

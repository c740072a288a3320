package main

import (
	"fmt"
	"slices"
	"time"

	"spillway/job"
	"spillway/view"
)

// stepLines is a line for each thing that happens to a job, and one now and then where
// nothing does.
type stepLines struct {
	lines
	skipped int64 // tasks that no line has told of
}

func (l *stepLines) event(e job.Event) {
	// A server that tells of no steps has not every change told of.
	if l.skipped += e.Skipped; l.skipped > 0 && (len(e.Steps) > 0 || e.Job.State.Final() || time.Since(l.last) >= lineEvery) {
		l.write(skippedLine(l.skipped, e))
		l.skipped = 0
	}
	for _, st := range e.Steps {
		l.write(stepLine(st, e.Job.Total))
	}
	l.show(e.Job)
}

func (l *stepLines) write(line string) {
	l.last = time.Now()
	fmt.Fprintln(l.w, line)
}

// skippedLine tells of so many tasks that are not listed, and ended before the event's steps.
func skippedLine(skipped int64, e job.Event) string {
	ended := e.Job.Ended()
	if at := slices.IndexFunc(e.Steps, func(st job.Step) bool { return st.Kind == job.TaskStep }); at >= 0 {
		ended = e.Steps[at].Ended - 1
	}
	return fmt.Sprintf("%s ended, not listed here (%d%%)", count(skipped, "task"), job.Percent(ended, e.Job.Total))
}

// count is so many of something: 1 task, 2 tasks.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// stepLine tells of one step of a job of so many tasks.
func stepLine(st job.Step, total int64) string {
	switch name := job.Shown(st.Name); st.Kind {
	case job.SplitStep:
		return fmt.Sprintf("split %s into %s in %s", name, count(int64(st.Parts), "part"), seconds(st.Took))
	case job.JoiningStep:
		return "joining " + name
	case job.JoinedStep:
		if st.Err != nil {
			return fmt.Sprintf("%s not joined: %s", name, job.Describe(st.Err))
		}
		return fmt.Sprintf("joined %s in %s", name, seconds(st.Took))
	}
	return taskLine(st, total)
}

// taskLine tells of the end of a task.
func taskLine(st job.Step, total int64) string {
	line := job.Shown(st.Name)
	if p, ok := job.ParsePart(st.Name); ok {
		line = fmt.Sprintf("%s part %d of %d", job.Shown(p.File), p.Number, p.Of)
	}
	line += " " + string(st.State)
	if st.Node != "" {
		line += fmt.Sprintf(" on %s in %s", st.Node, seconds(st.Took))
	}
	if st.Attempts > 1 {
		line += fmt.Sprintf(", attempt %d", st.Attempts)
	}
	if st.Err != nil {
		line += ": " + job.Describe(st.Err)
	}
	return fmt.Sprintf("%s (%d%%)", line, job.Percent(st.Ended, total))
}

// seconds is a time for people: 0.004s, 0.8s, 75.3s.
func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.3fs", d.Seconds())
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// stepObjects is a JSON object on a line for each thing that happens to a job, and one
// now and then where nothing does.
type stepObjects struct {
	s       *session
	last    time.Time
	skipped int64 // tasks that no object has told of
}

func (o *stepObjects) event(e job.Event) {
	if o.skipped += e.Skipped; o.skipped > 0 && (len(e.Steps) > 0 || e.Job.State.Final()) {
		o.tell(e.Job)
	}
	for _, st := range e.Steps {
		o.write(view.OfStep(e.Job, st))
	}
	o.show(e.Job)
}

func (o *stepObjects) show(j job.Job) {
	if time.Since(o.last) >= lineEvery && !j.State.Final() {
		o.tell(j)
	}
}

// tell tells how far the job is.
func (o *stepObjects) tell(j job.Job) {
	v := view.OfProgress(j)
	v.Skipped, o.skipped = o.skipped, 0
	o.write(v)
}

func (o *stepObjects) write(v any) {
	o.last = time.Now()
	_ = o.s.printJSON(v) // whoever does not read it any more needs no error
}

func (o *stepObjects) away()  {}
func (o *stepObjects) close() {}

// newStepProgress chooses a bar for a terminal, a line or an object a step for a pipe, or
// silence.
func (s *session) newStepProgress() progress {
	switch {
	case s.cfg.quiet:
		return silence{}
	case s.cfg.json:
		return &stepObjects{s: s, last: time.Now()}
	case s.out.terminal:
		return s.newProgress()
	}
	return &stepLines{lines: lines{w: s.out.stderr, last: time.Now()}}
}

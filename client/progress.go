package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"spillway/job"
)

// lineEvery is the time between two lines of progress where there is no terminal.
const lineEvery = 2 * time.Second

// progress shows how far a job is.
type progress interface {
	show(j job.Job)
	close()
}

// newProgress chooses a bar for a terminal, lines for a pipe, or silence.
func (s *session) newProgress() progress {
	switch {
	case s.cfg.quiet || s.cfg.json:
		return silence{}
	case s.out.terminal:
		return &bar{w: s.out.stderr}
	}
	return &lines{w: s.out.stderr, last: time.Now()}
}

type silence struct{}

func (silence) show(job.Job) {}
func (silence) close()       {}

// bar is a progress bar with rate and time left. It appears when the inputs are
// counted.
type bar struct {
	w    io.Writer
	bar  *progressbar.ProgressBar
	note string
}

func newBar(w io.Writer, total int64, note string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetDescription(note),
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("tasks"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionUseANSICodes(true),
	)
}

func (b *bar) show(j job.Job) {
	if b.bar == nil {
		if j.Total == 0 || j.State.Final() {
			return
		}
		b.note = trouble(j)
		b.bar = newBar(b.w, j.Total, b.note)
	}
	if b.bar.GetMax64() != j.Total {
		b.bar.ChangeMax64(j.Total)
	}
	// The bar cannot know better than the server; an error of drawing is none of the job's.
	_ = b.bar.Set64(j.Ended())
	if note := trouble(j); note != b.note {
		b.note = note
		b.bar.Describe(note)
	}
}

func (b *bar) close() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// lines writes a line now and then.
type lines struct {
	w    io.Writer
	last time.Time
}

func (l *lines) show(j job.Job) {
	now := time.Now()
	if now.Sub(l.last) < lineEvery || j.State.Final() {
		return
	}
	l.last = now
	fmt.Fprintln(l.w, progressLine(j, now))
}

func (l *lines) close() {}

// progressLine is how far a running job is, in one line.
func progressLine(j job.Job, now time.Time) string {
	parts := []string{fmt.Sprintf("%d/%d done", j.Done, j.Total)}
	if bad := j.Failed + j.Quarantined; bad > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", bad))
	}
	if j.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", 100*j.Ended()/j.Total))
	}
	if rate := rate(j, now); rate > 0 {
		parts = append(parts, fmt.Sprintf("%.1f/s", rate))
		left := time.Duration(float64(j.Total-j.Ended()) / rate * float64(time.Second))
		parts = append(parts, fmt.Sprintf("%v left", left.Round(time.Second)))
	}
	if note := trouble(j); note != "" {
		parts = append(parts, note)
	}
	return strings.Join(parts, ", ")
}

// rate is the tasks ended a second, 0 where there is none.
func rate(j job.Job, now time.Time) float64 {
	if took := j.Elapsed(now); took > 0 {
		return float64(j.Ended()) / took.Seconds()
	}
	return 0
}

// trouble says why nothing moves, where all that runs is parked.
func trouble(j job.Job) string {
	if j.Parked == 0 || j.Parked < j.Running {
		return ""
	}
	return "waiting: " + j.Waiting
}

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
	event(e job.Event)
	show(j job.Job) // again, while nothing happens
	away()          // the server does not answer
	close()
}

// newProgress chooses a bar for a terminal, lines for a pipe, or silence.
func (s *session) newProgress() progress {
	switch {
	case s.cfg.quiet || s.cfg.json:
		return silence{}
	case s.out.terminal:
		return &bar{w: s.out.stderr, begun: time.Now()}
	}
	return &lines{w: s.out.stderr, last: time.Now()}
}

type silence struct{}

func (silence) event(job.Event) {}
func (silence) show(job.Job)    {}
func (silence) away()           {}
func (silence) close()          {}

// bar is a progress bar with rate and time left. It appears when the inputs are
// counted.
type bar struct {
	w     io.Writer
	begun time.Time
	bar   *progressbar.ProgressBar // nil until the inputs are counted
	told  bool                     // of a server that was silent before that
}

func newBar(w io.Writer, total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false), // its own knows only its own steps
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(24),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionUseANSICodes(true),
	)
}

func (b *bar) event(e job.Event) { b.show(e.Job) }

func (b *bar) show(j job.Job) {
	if b.bar == nil {
		if j.Total == 0 || j.State.Final() {
			return
		}
		b.bar = newBar(b.w, j.Total)
	}
	if b.bar.GetMax64() != j.Total {
		b.bar.ChangeMax64(j.Total)
	}
	// The bar cannot know better than the server; an error of drawing is none of the job's.
	_ = b.bar.Set64(j.Ended())
	b.bar.Describe(label(j, time.Now())) // draws
}

// silent is what is said of a server that does not answer.
const silent = "the server does not answer, trying again"

func (b *bar) away() {
	switch {
	case b.bar != nil:
		b.bar.Describe(silent)
	case !b.told && time.Since(b.begun) > lineEvery: // a server that is gone is told of by the call itself
		b.told = true
		fmt.Fprintln(b.w, silent)
	}
}

// labelWidth bounds what stands before the bar, so that the line does not wrap.
const labelWidth = 40

// label is what stands before the bar: the policy, and how fast the job is or
// why it waits.
func label(j job.Job, now time.Time) string {
	note := trouble(j)
	if note == "" {
		note = pace(j, now)
	}
	text := []rune(j.Spec.Policy + "  " + note)
	if len(text) > labelWidth {
		text = append(text[:labelWidth-1], '…')
	}
	return string(text)
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

func (l *lines) event(e job.Event) { l.show(e.Job) }

func (l *lines) show(j job.Job) {
	if !j.State.Final() && j.Total > 0 {
		l.say(progressLine(j, time.Now()))
	}
}

func (l *lines) away() { l.say(silent) }

// say writes a line, unless the last one is too recent.
func (l *lines) say(line string) {
	if now := time.Now(); now.Sub(l.last) >= lineEvery {
		l.last = now
		fmt.Fprintln(l.w, line)
	}
}

func (l *lines) close() {}

// progressLine is how far a running job is, in one line.
func progressLine(j job.Job, now time.Time) string {
	parts := []string{fmt.Sprintf("%d/%d done", j.Done, j.Total)}
	if bad := j.Failed + j.Quarantined; bad > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", bad))
	}
	if j.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", j.Percent()))
	}
	if pace := pace(j, now); pace != "" {
		parts = append(parts, pace)
	}
	if note := trouble(j); note != "" {
		parts = append(parts, note)
	}
	return strings.Join(parts, ", ")
}

// pace is the rate and the time left, "" before the first task has ended.
func pace(j job.Job, now time.Time) string {
	rate := rate(j, now)
	if rate == 0 {
		return ""
	}
	left := time.Duration(float64(j.Total-j.Ended()) / rate * float64(time.Second))
	return fmt.Sprintf("%.1f/s, %v left", rate, left.Round(time.Second))
}

// rate is the tasks ended a second, 0 where there is none.
func rate(j job.Job, now time.Time) float64 {
	if took := j.Elapsed(now); took > 0 {
		return float64(j.Ended()) / took.Seconds()
	}
	return 0
}

// trouble says why nothing moves, where all that runs is parked, or what the server does
// once all is done.
func trouble(j job.Job) string {
	if j.Running == 0 && j.State == job.Running {
		return j.Waiting
	}
	if j.Parked == 0 || j.Parked < j.Running {
		return ""
	}
	return "waiting: " + j.Waiting
}

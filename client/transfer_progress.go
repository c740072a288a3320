package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"spillway/job"
)

// transferProgress shows how far a large file is: as a bar on a terminal, as lines now
// and then elsewhere.
type transferProgress struct {
	s     *session
	name  string
	last  time.Time
	first int64 // what was there when it began
	begun time.Time
	bar   *progressbar.ProgressBar // nil until it is needed
}

func (s *session) newTransferProgress(name string) *transferProgress {
	return &transferProgress{s: s, name: job.Shown(name), last: time.Now(), first: -1}
}

// show tells how many bytes are there.
func (p *transferProgress) show(done, total int64) {
	if p.s.cfg.quiet || p.s.cfg.json || total <= job.ChunkBytes {
		return
	}
	now := time.Now()
	if p.first < 0 {
		p.first, p.begun = done, now
	}
	if p.s.out.terminal {
		if p.bar == nil {
			p.bar = newBar(p.s.out.stderr, total)
			p.bar.Describe(fmt.Sprintf("%.*s", labelWidth, p.name))
		}
		_ = p.bar.Set64(done) // an error of drawing is none of the file's
		return
	}
	if done < total && now.Sub(p.last) < lineEvery {
		return
	}
	p.last = now
	line := fmt.Sprintf("%s: %d%% of %s", p.name, 100*done/total, size(total))
	if took := now.Sub(p.begun); took > 0 && done > p.first {
		line += fmt.Sprintf(", %s/s", size(int64(float64(done-p.first)/took.Seconds())))
	}
	fmt.Fprintln(p.s.out.stderr, line)
}

func (p *transferProgress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

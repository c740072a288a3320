package store

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"

	"spillway/job"
)

// A page has at most so many names, and bytes beyond its first name.
const (
	pageNames = 1000
	pageBytes = 64 << 10
)

// page is a run of names, each ended by a NUL, which no file name holds.
type page struct {
	first int64 // index of its first task
	count int64
	names []byte
}

func (p *page) add(name string) {
	p.names = append(append(p.names, name...), 0)
	p.count++
}

func (p *page) full(name string) bool {
	return p.count == pageNames || p.count > 0 && len(p.names)+len(name) >= pageBytes
}

// all tells the page's tasks: index and name.
func (p *page) all() iter.Seq2[int64, string] {
	return func(yield func(int64, string) bool) {
		rest, i := p.names, p.first
		for len(rest) > 0 {
			name, after, _ := bytes.Cut(rest, []byte{0})
			if !yield(i, string(name)) {
				return
			}
			rest, i = after, i+1
		}
	}
}

// pages packs the names that inputs tells, holding one page at a time. A failure
// comes last, with no page.
func pages(ctx context.Context, inputs func(context.Context, func(string) bool) error) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		var p page
		var refused error
		open := true
		err := inputs(ctx, func(name string) bool {
			if strings.ContainsRune(name, 0) || name == "" {
				refused = job.E(job.InvalidArgument, "input "+job.Shown(name), errors.New("it is no file name"), "")
				return false
			}
			if p.full(name) {
				open = yield(p, nil)
				p = page{first: p.first + p.count, names: make([]byte, 0, len(p.names))}
			}
			p.add(name)
			return open
		})
		if !open {
			return
		}
		if err = errors.Join(refused, err); err != nil {
			yield(page{}, err)
			return
		}
		if p.count > 0 {
			yield(p, nil)
		}
	}
}

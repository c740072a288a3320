package split

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"spillway/job"
)

// grouper is a kind of which several inputs are one task.
type grouper interface {
	kind
	// group makes tasks of the names of all inputs. Errors: FailedPrecondition.
	group(names []string) ([]job.Part, error)
}

// sequences are numbered pictures that become a video.
type sequences struct{ pictures }

var _ grouper = sequences{}

func (sequences) plan(context.Context, *os.File, string, job.Operation) ([]job.Part, error) {
	return nil, nil
}

// numbered is a picture and its file's name.
type numbered struct {
	job.Picture
	name string
}

// group makes a task of each sequence: its first picture is the task's file, and From and
// To are the numbers. A picture without a number is a task of its own, which a node will
// refuse with the reason.
func (sequences) group(names []string) ([]job.Part, error) {
	var all []numbered
	var parts []job.Part
	for _, name := range names {
		p, ok := job.ParsePicture(name)
		if !ok {
			parts = append(parts, job.Part{File: name})
			continue
		}
		all = append(all, numbered{p, name})
	}
	slices.SortFunc(all, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Ext, b.Ext), cmp.Compare(a.Number, b.Number))
	})
	for i, p := range all {
		switch {
		case i > 0 && p.Of(all[i-1].Picture):
			last := &parts[len(parts)-1]
			if p.Number < last.To {
				return nil, clash(all[i-1].name, p.name)
			}
			last.To, last.Count = p.Number+1, last.Count+1
			continue
		case i > 0 && p.Sequence == all[i-1].Sequence:
			return nil, clash(all[i-1].name, p.name)
		}
		parts = append(parts, job.Part{File: p.name, Number: 1, Of: 1, From: p.Number, To: p.Number + 1, Count: 1, Note: "-"})
	}
	return parts, nil
}

func clash(a, b string) error {
	return job.E(job.FailedPrecondition, "list "+job.InputDir, fmt.Errorf("%s and %s are for the same place in one video", job.Shown(a), job.Shown(b)), "remove or rename one of them")
}

// grouped yields the tasks of a kind that groups its inputs.
func (s *Source) grouped(ctx context.Context, g grouper, yield func(name string) bool) error {
	var names []string
	err := s.list(ctx, func(name string) bool {
		if isInput(g, name) {
			names = append(names, name)
		}
		return true
	})
	if err != nil {
		return err
	}
	parts, err := g.group(names)
	if err != nil {
		return err
	}
	for _, p := range parts {
		name := p.File
		if p.Of > 0 {
			name = p.Name()
		}
		if !yield(name) {
			return nil
		}
	}
	return nil
}

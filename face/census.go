package face

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// MaxFaces bounds how many faces are grouped at once: 50,000 take a minute or two of one
// processor, and 200 MB.
const MaxFaces = 50_000

var (
	// ErrTooMany is wrapped where a job has more than [MaxFaces].
	ErrTooMany = fmt.Errorf("there are more than %d faces", MaxFaces)
	// ErrKnown is wrapped where pictures were not all compared with the same known faces.
	ErrKnown = errors.New("nodes do not know the same people")
)

// Census gathers the faces of pictures. The zero Census is empty.
type Census struct {
	pictures int
	first    string // the picture whose name comes first
	known    *Known // as that has it
	found    []found
}

// found is a face, and what orders it among others.
type found struct {
	Sighting
	at         int // within the picture
	name       string
	descriptor Descriptor
}

// Add takes the faces of one picture, in any order of pictures. Errors: ErrTooMany,
// ErrKnown.
func (c *Census) Add(p Picture) error {
	if len(c.found)+len(p.Faces) > MaxFaces {
		return ErrTooMany
	}
	if c.pictures > 0 && !p.Known.same(c.known) {
		return fmt.Errorf("%w: %q and %q were not compared with the same", ErrKnown, min(c.first, p.Image), max(c.first, p.Image))
	}
	if c.pictures == 0 || p.Image < c.first {
		c.first, c.known = p.Image, p.Known
	}
	c.pictures++
	for i, f := range p.Faces {
		next := found{Sighting: Sighting{p.Image, f.Box}, at: i, descriptor: f.Descriptor}
		if f.Match != nil {
			next.name = f.Match.Name
		}
		c.found = append(c.found, next)
	}
	return nil
}

// same tells whether names mean the same.
func (k *Known) same(other *Known) bool {
	if k == nil || other == nil {
		return k == other
	}
	return k.Sum == other.Sum
}

// People groups the faces by [Group], and names each group by most of its named faces, of
// equally many by the name that comes first. Groups of one name are one person. The order
// in which pictures were added changes nothing. Errors: ctx's own.
func (c *Census) People(ctx context.Context, threshold float64, workers int) (People, error) {
	slices.SortFunc(c.found, func(a, b found) int { return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.at, b.at)) })
	descriptors := make([]Descriptor, len(c.found))
	for i := range c.found {
		descriptors[i] = c.found[i].descriptor
	}
	group, err := Group(ctx, descriptors, threshold, workers)
	if err != nil {
		return People{}, err
	}
	all := People{Threshold: threshold, Pictures: c.pictures, Faces: len(c.found), Known: c.known, Persons: []Person{}}
	for _, members := range c.merge(group) {
		p := Person{Name: c.nameOf(members)}
		for _, i := range members {
			p.Faces = append(p.Faces, c.found[i].Sighting)
		}
		all.Persons = append(all.Persons, p)
	}
	// Stable: of equally many, the one that occurs first stays so.
	slices.SortStableFunc(all.Persons, func(a, b Person) int { return cmp.Compare(len(b.Faces), len(a.Faces)) })
	for i := range all.Persons {
		all.Persons[i].ID = i + 1
	}
	return all, nil
}

// merge lists the faces of each person, in the order of their first ones.
func (c *Census) merge(group []int) [][]int {
	var members [][]int
	for i, g := range group { // numbered as they occur
		if g == len(members) {
			members = append(members, nil)
		}
		members[g] = append(members[g], i)
	}
	var merged [][]int
	at := map[string]int{}
	for _, list := range members {
		name := c.nameOf(list)
		first, known := at[name]
		if name == "" || !known {
			at[name] = len(merged)
			merged = append(merged, list)
			continue
		}
		merged[first] = append(merged[first], list...)
	}
	for _, list := range merged {
		slices.Sort(list)
	}
	return merged
}

// nameOf is what most of the faces that have a name are called.
func (c *Census) nameOf(members []int) string {
	votes := map[string]int{}
	for _, i := range members {
		if name := c.found[i].name; name != "" {
			votes[name]++
		}
	}
	best := ""
	for name, n := range votes {
		if n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	return best
}

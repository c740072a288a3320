package face

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// degree bounds how many of its neighbours a face keeps by itself, and so the memory:
// 20,000 faces of one person are 200 million pairs. Which it keeps is drawn by a hash of
// the pair, so that a crowd of like faces hangs together as a random graph does, where
// the nearest few of each would fall apart into cliques. Below that many nothing is lost.
const degree = 64

// sweeps bounds the turns of the whispers; they settle after ten or so.
const sweeps = 100

// link is a neighbour.
type link struct {
	to   int32
	draw uint64 // the lowest are kept
}

// Group gives each descriptor the number of its group: one number for descriptors of one
// person, counted from 0 in the order in which groups first occur. One that is not
// finite is alone.
//
// It is Chinese Whispers (C. Biemann, "Chinese Whispers – an Efficient Graph Clustering
// Algorithm", TextGraphs 2006) over the graph that joins faces not farther apart than
// threshold: in turns, each takes the group that most of its neighbours have, until
// nothing changes. A face that happens to be near to two people does not make them one, as
// it would by single linkage. Turns are drawn from a fixed seed, so that equal input
// gives equal groups.
//
// It takes time by n²/2 distances, on as many goroutines as workers says, and memory by n.
// Errors: ctx's own.
func Group(ctx context.Context, all []Descriptor, threshold float64, workers int) ([]int, error) {
	edges, err := neighbours(ctx, all, threshold, max(1, workers))
	if err != nil {
		return nil, err
	}
	group := make([]int, len(all))
	order := make([]int, len(all))
	for i := range all {
		group[i], order[i] = i, i
	}
	turn := rand.New(rand.NewPCG(1, uint64(len(all))))
	votes := map[int]int{}
	for range sweeps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		turn.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		changed := false
		for _, i := range order {
			if next := heard(edges[i], group, i, votes); next != group[i] {
				group[i], changed = next, true
			}
		}
		if !changed {
			break
		}
	}
	return renumber(group), nil
}

// heard is the group that most neighbours of face i have. Among equals it is the one that
// the face has already, or else one that is drawn.
func heard(neighbours []int32, group []int, i int, votes map[int]int) int {
	clear(votes)
	for _, n := range neighbours {
		votes[group[n]]++
	}
	own := group[i]
	best, most := own, votes[own]
	for g, n := range votes {
		if n > most || n == most && best != own && draw(i, g) < draw(i, best) {
			best, most = g, n
		}
	}
	return best
}

// renumber counts groups in the order in which they first occur.
func renumber(group []int) []int {
	number := map[int]int{}
	for i, g := range group {
		if _, known := number[g]; !known {
			number[g] = len(number)
		}
		group[i] = number[g]
	}
	return group
}

// neighbours are the graph's edges, each in the lists of both its ends. A face keeps
// degree of them, and those that others keep.
func neighbours(ctx context.Context, all []Descriptor, threshold float64, workers int) ([][]int32, error) {
	kept := make([]shortlist, len(all))
	for i := range kept {
		kept[i].limit.Store(math.MaxUint64)
	}
	var next atomic.Int64 // block of faces
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for from := int(next.Add(1)-1) * block; from < len(all) && ctx.Err() == nil; from = int(next.Add(1)-1) * block {
				for to := from; to < len(all); to += block {
					compare(all, kept, from, to, float32(threshold*threshold))
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	edges := make([][]int32, len(all))
	for i := range kept {
		for _, l := range lowest(kept[i].links) {
			edges[i] = append(edges[i], l.to)
			edges[l.to] = append(edges[l.to], int32(i))
		}
	}
	for i := range edges {
		slices.Sort(edges[i])
		edges[i] = slices.Compact(edges[i])
	}
	return edges, nil
}

// block is how many faces are compared with as many others, while both are in a
// processor's cache.
const block = 64

// compare lists who is near to whom among the pairs between two blocks.
func compare(all []Descriptor, kept []shortlist, from, to int, most float32) {
	for i := from; i < min(from+block, len(all)); i++ {
		for j := max(to, i+1); j < min(to+block, len(all)); j++ {
			lot := draw(i, j)
			a, b := lot <= kept[i].limit.Load(), lot <= kept[j].limit.Load()
			if !a && !b || !(within(&all[i], &all[j], most) <= most) {
				continue
			}
			if a {
				kept[i].add(link{int32(j), lot})
			}
			if b {
				kept[j].add(link{int32(i), lot})
			}
		}
	}
}

// shortlist are the neighbours of a face that draw lowest: degree of them, and some that
// are yet to be dropped.
type shortlist struct {
	limit atomic.Uint64 // who draws more is none of them
	mu    sync.Mutex
	links []link
}

func (s *shortlist) add(l link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.links = append(s.links, l); len(s.links) == 2*degree {
		s.links = lowest(s.links)
		s.limit.Store(s.links[degree-1].draw)
	}
}

// lowest keeps degree links, those whose draw is lowest.
func lowest(links []link) []link {
	slices.SortFunc(links, func(a, b link) int { return cmp.Or(cmp.Compare(a.draw, b.draw), cmp.Compare(a.to, b.to)) })
	return links[:min(len(links), degree)]
}

// draw is a hash of a pair, the same from both ends: SplitMix64 (G. Steele et al., "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014).
func draw(i, j int) uint64 {
	x := uint64(min(i, j))<<32 | uint64(max(i, j))
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

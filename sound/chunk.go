package sound

import (
	"fmt"
	"math"
)

// Open is the end of a chunk that goes on for as long as there is sound.
const Open = math.MaxInt64

// Chunk is a piece of a song that can be separated alone, in moments counted from
// the song's beginning: the range [From, To) comes out of it, and the range
// [Start, End) around that goes into it, as far as the song goes.
type Chunk struct {
	Start, From, To, End int64
}

// Whole is a song of unknown length in one chunk.
func Whole() Chunk { return Chunk{To: Open, End: Open} }

// Len is how many moments come out.
func (c Chunk) Len() int64 { return c.To - c.From }

func (c Chunk) check() error {
	if c.Start < 0 || c.From < c.Start || c.To < c.From || c.End < c.To {
		return fmt.Errorf("a chunk from %d, of %d to %d, until %d: these do not rise", c.Start, c.From, c.To, c.End)
	}
	return nil
}

// Plan cuts a song of total moments into chunks of the given length, the last of
// which may be shorter, or up to half as long again where the rest would be less than
// half a chunk. Each sees context moments on both sides, as far as the song goes. The
// ranges touch, and cover the song. A length below 1 means one chunk; a song of no
// moments has none.
func Plan(total, length, context int64) []Chunk {
	if total < 1 {
		return nil
	}
	if length < 1 || length > total {
		length = total
	}
	chunks := make([]Chunk, 0, total/length+1)
	for from := int64(0); from < total; {
		to := from + length
		if total-to < (length+1)/2 {
			to = total
		}
		chunks = append(chunks, around(from, to, total, context))
		from = to
	}
	return chunks
}

// PlanFor cuts a song into at most so many chunks of equal length, within one
// moment: one for each node. None is shorter than twice the context, so that at most
// half of what a node does is context.
func PlanFor(nodes int, total, context int64) []Chunk {
	if total < 1 {
		return nil
	}
	count := min(int64(max(nodes, 1)), max(1, total/max(2*context, 1)))
	chunks := make([]Chunk, 0, count)
	quotient, rest := total/count, total%count
	from := int64(0)
	for i := range count {
		to := from + quotient
		if i < rest {
			to++
		}
		chunks = append(chunks, around(from, to, total, context))
		from = to
	}
	return chunks
}

func around(from, to, total, context int64) Chunk {
	return Chunk{Start: max(0, from-context), From: from, To: to, End: min(total, to+context)}
}

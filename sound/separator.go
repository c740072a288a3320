package sound

import "context"

// Separator takes a song apart. [Masks] is the one that needs no model; one that runs
// a trained network would be another implementation.
//
// The promise that lets a song be split over nodes: for every chunk that [Plan] makes
// with the separator's Context, the moments that come out are those that come out for
// them when the whole song is one chunk, within 1e-4.
type Separator interface {
	// Context is how many moments before and after a range the separator must see to
	// give the range as it would in the whole song.
	Context(rate int) int64
	// Separate reads the chunk's moments, from c.Start, and gives those from c.From to
	// c.To to out, block by block, in order, with as many channels as f has. It holds a
	// bounded number of moments, however long the song is. It ends early, with the
	// context's error, when ctx ends, and with out's own error.
	// Errors: ErrFormat (other than one or two channels), ErrCut, those of in and out.
	Separate(ctx context.Context, f Format, c Chunk, in Source, out func(Block) error) error
}

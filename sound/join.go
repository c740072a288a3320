package sound

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Join writes the ranges of chunks one after another, as they come out of parts: each
// gives exactly the moments of its chunk. It holds one buffer, and opens nothing: the
// parts are read one at a time, in order. It ends early when ctx ends.
// Errors: ErrDamaged (chunks that do not touch, a part that is longer than its range),
// ErrCut (one that is shorter), those of parts and write.
func Join(ctx context.Context, channels int, chunks []Chunk, part func(i int) (Source, error), write func([]float32) error) error {
	buffer := make([]float32, 8192*channels)
	at := int64(0)
	for i, c := range chunks {
		if c.From != at || c.check() != nil {
			return fmt.Errorf("%w: part %d begins at moment %d, not %d", ErrDamaged, i, c.From, at)
		}
		at = c.To
		source, err := part(i)
		if err != nil {
			return err
		}
		got, err := copyAll(ctx, source, buffer, write)
		got /= int64(channels)
		switch {
		case err != nil:
			return fmt.Errorf("part %d: %w", i, err)
		case got < c.Len():
			return fmt.Errorf("%w: part %d has %d moments of %d", ErrCut, i, got, c.Len())
		case got > c.Len():
			return fmt.Errorf("%w: part %d has %d moments, not %d", ErrDamaged, i, got, c.Len())
		}
	}
	return nil
}

// copyAll writes a source to its end, and tells how many samples it had.
func copyAll(ctx context.Context, in Source, buffer []float32, write func([]float32) error) (int64, error) {
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := in.Read(buffer)
		total += int64(n)
		if n > 0 {
			if err := write(buffer[:n]); err != nil {
				return total, err
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

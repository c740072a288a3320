package sound

import (
	"errors"
	"fmt"
)

var (
	// ErrFormat is wrapped for sound of a kind that is not handled here.
	ErrFormat = errors.New("sound of this kind is not handled")
	// ErrDamaged is wrapped for a file whose header contradicts itself.
	ErrDamaged = errors.New("the sound file is damaged")
	// ErrCut is wrapped for sound that ends before it should.
	ErrCut = errors.New("the sound is cut off")
)

// The bounds of a [Format].
const (
	MaxRate     = 768_000
	MaxChannels = 32
)

// Format describes samples. A moment is one sample of every channel.
type Format struct {
	Rate     int // moments a second
	Channels int
}

// Check tells whether there can be such sound. Errors: ErrFormat.
func (f Format) Check() error {
	if f.Rate < 1 || f.Rate > MaxRate || f.Channels < 1 || f.Channels > MaxChannels {
		return fmt.Errorf("%w: %d channels at %d samples a second; 1 to %d and 1 to %d are", ErrFormat, f.Channels, f.Rate, MaxChannels, MaxRate)
	}
	return nil
}

// Source gives samples, from -1 to 1, the channels of one moment after another.
// It gives whole moments, as many as fit in p, and io.EOF when it has no more;
// as with an io.Reader, samples may come together with an error.
// Not for concurrent use.
type Source interface {
	Read(p []float32) (n int, err error)
}

// limit bounds a sample, 80 dB above full scale, so that no power of it overflows.
const limit = 1e4

// tame makes a sample one that can be calculated with: what is no number is silence.
func tame(x float32) float32 {
	switch {
	case x >= -limit && x <= limit:
		return x
	case x > limit:
		return limit
	case x < -limit:
		return -limit
	}
	return 0
}

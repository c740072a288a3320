package face

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Sample is a face whose name is known.
type Sample struct {
	Name       string
	Descriptor Descriptor
}

// Nearest is the sample nearest to d, and its distance, where that is at most threshold.
// Of two that are equally near it is the one whose name comes first.
// Nil: there is none.
func Nearest(samples []Sample, d *Descriptor, threshold float64) *Match {
	best := float32(threshold * threshold)
	var nearest *Sample
	for i := range samples {
		s := &samples[i]
		square := within(&s.Descriptor, d, best)
		if square < best || square == best && (nearest == nil || s.Name < nearest.Name) {
			nearest, best = s, square
		}
	}
	if nearest == nil {
		return nil
	}
	return &Match{Name: nearest.Name, Distance: math.Sqrt(float64(best))}
}

// Sum tells sets of samples apart, whose order counts.
func Sum(samples []Sample) string {
	hash := sha256.New()
	for _, s := range samples {
		hash.Write(append([]byte(s.Name), 0))
		for _, x := range s.Descriptor {
			_ = binary.Write(hash, binary.LittleEndian, x)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

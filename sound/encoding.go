package sound

import (
	"encoding/binary"
	"math"
	"slices"
)

// decode gives the samples that b begins with. Each encoding has a loop of its own: an hour
// of stems is a billion samples.
func (e Encoding) decode(dst []float32, b []byte) {
	little := binary.LittleEndian
	b = b[:len(dst)*e.bytes()]
	switch e {
	case PCM16:
		for i := range dst {
			dst[i] = float32(int16(little.Uint16(b[2*i:]))) / (1 << 15)
		}
	case PCM24:
		for i := range dst {
			dst[i] = float32(int32(uint32(b[3*i])<<8|uint32(b[3*i+1])<<16|uint32(b[3*i+2])<<24)>>8) / (1 << 23)
		}
	case PCM32:
		for i := range dst {
			dst[i] = float32(float64(int32(little.Uint32(b[4*i:]))) / (1 << 31))
		}
	case pcm8:
		for i := range dst {
			dst[i] = (float32(b[i]) - 128) / 128
		}
	case float64s:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(little.Uint64(b[8*i:])))
		}
	default:
		for i := range dst {
			dst[i] = math.Float32frombits(little.Uint32(b[4*i:]))
		}
	}
}

// append appends samples.
func (e Encoding) append(b []byte, samples []float32) []byte {
	little := binary.LittleEndian
	b = slices.Grow(b, len(samples)*e.bytes())
	switch e {
	case PCM16:
		room := b[len(b) : len(b)+2*len(samples)]
		for i, x := range samples {
			little.PutUint16(room[2*i:], uint16(quantize(x, 1<<15)))
		}
		return b[:len(b)+len(room)]
	case PCM24:
		for _, x := range samples {
			n := quantize(x, 1<<23)
			b = append(b, byte(n), byte(n>>8), byte(n>>16))
		}
	case PCM32:
		for _, x := range samples {
			b = little.AppendUint32(b, uint32(quantize(x, 1<<31)))
		}
	default:
		return AppendFloats(b, samples)
	}
	return b
}

// quantize rounds a sample to a whole number of steps, from -steps to steps-1.
func quantize(x float32, steps float64) int32 {
	scaled := float64(x) * steps
	switch {
	case scaled >= steps-1:
		return int32(steps - 1)
	case scaled <= -steps:
		return int32(-steps)
	case scaled != scaled:
		return 0
	}
	return int32(math.RoundToEven(scaled))
}

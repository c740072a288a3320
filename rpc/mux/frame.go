package mux

import (
	"math/bits"
	"sync"
)

// frame is memory for one message, reused. Size classes: 4 and 32 KiB, then four
// to a doubling up to 64 MiB, so that a large message takes at most a quarter
// more than it needs. Larger ones are not reused.
type frame struct {
	b     []byte // as long as was asked for
	class int8   // notPooled, or its index in frames
}

const (
	firstStep = 4 << 10       // what a message gets before its first byte
	nextStep  = 1 << fineBits // and when that is full
	freeBytes = 2 * nextStep  // what a message may take without being asked
	fineBits  = 15            // from 1 << fineBits on, four classes to a doubling
	topBits   = 26            // the largest class is 1 << topBits
	notPooled = int8(-1)
)

// The collector empties the pools in two rounds, so what a burst took is given
// back by itself.
var frames [2 + 4*(topBits-fineBits)]sync.Pool

// classOf is the class that holds n bytes, and its size.
func classOf(n int) (class int8, size int) {
	switch {
	case n <= firstStep:
		return 0, firstStep
	case n <= nextStep:
		return 1, nextStep
	case n > 1<<topBits:
		return notPooled, n
	}
	doubling := bits.Len(uint(n-1)) - 1
	quarter := (n - 1) >> (doubling - 2) // 4 to 7
	return int8(2 + 4*(doubling-fineBits) + quarter - 4), (quarter + 1) << (doubling - 2)
}

// getFrame returns a frame of n bytes with anything in them.
func getFrame(n int) *frame {
	class, size := classOf(n)
	if class != notPooled {
		if f, ok := frames[class].Get().(*frame); ok {
			f.b = f.b[:n]
			return f
		}
	}
	return &frame{b: make([]byte, size)[:n], class: class}
}

// putFrame gives f back; nil is nothing.
func putFrame(f *frame) {
	if f != nil && f.class != notPooled {
		frames[f.class].Put(f)
	}
}

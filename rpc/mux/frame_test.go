package mux

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFrame_HoldsWhatWasAskedForAndLittleMore(t *testing.T) {
	last, lastSize := int8(-1), 0
	for _, n := range []int{
		0, 1, 4096, 4097, 32 << 10, 32<<10 + 1, 40 << 10, 40<<10 + 1, 64 << 10, 64<<10 + 1,
		1 << 20, 5<<20 + 20, 15 << 20, 16 << 20, 16<<20 + 1, 64 << 20,
	} {
		class, size := classOf(n)
		require.GreaterOrEqual(t, size, n)
		if n > nextStep {
			require.LessOrEqual(t, size, n+n/4+1)
		}
		require.GreaterOrEqual(t, class, last)
		require.Less(t, int(class), len(frames))
		require.Equal(t, class == last, size == lastSize, "a class has one size")
		again, same := classOf(size)
		require.Equal(t, class, again)
		require.Equal(t, size, same)
		last, lastSize = class, size
		f := getFrame(n)
		require.Len(t, f.b, n)
		require.Equal(t, size, cap(f.b))
		putFrame(f)
	}
	require.Equal(t, len(frames)-1, int(last))
	class, size := classOf(64<<20 + 1)
	require.Equal(t, notPooled, class)
	require.Equal(t, 64<<20+1, size)
	putFrame(getFrame(64<<20 + 1))
	putFrame(nil)
}

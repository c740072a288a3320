package sound_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

func TestPlan_ChunksCoverTheSong(t *testing.T) {
	for total := int64(1); total < 300; total += 7 {
		for length := int64(0); length < 320; length += 13 {
			for _, c := range [][]sound.Chunk{sound.Plan(total, length, 9), sound.PlanFor(int(length), total, 9)} {
				at := int64(0)
				for i, one := range c {
					require.Equal(t, at, one.From)
					require.Positive(t, one.Len())
					require.Equal(t, max(0, one.From-9), one.Start)
					require.Equal(t, min(total, one.To+9), one.End)
					require.LessOrEqual(t, one.Len(), c[0].Len()+c[0].Len()/2+1, i)
					at = one.To
				}
				require.Equal(t, total, at)
			}
		}
	}
}

func TestPlan_ByLengthAndByNodes(t *testing.T) {
	require.Equal(t, []sound.Chunk{{Start: 0, From: 0, To: 40, End: 45}, {Start: 35, From: 40, To: 99, End: 99}}, sound.Plan(99, 40, 5), "the rest would be a short chunk")
	require.Equal(t, []sound.Chunk{{Start: 0, From: 0, To: 100, End: 100}}, sound.Plan(100, 0, 5))
	require.Equal(t, []sound.Chunk{{Start: 0, From: 0, To: 34, End: 39}, {Start: 29, From: 34, To: 67, End: 72}, {Start: 62, From: 67, To: 100, End: 100}}, sound.PlanFor(3, 100, 5))
	require.Len(t, sound.PlanFor(1000, 100, 5), 10, "a chunk is not mostly context")
	require.Len(t, sound.PlanFor(0, 100, 5), 1)
	require.Empty(t, sound.Plan(0, 10, 5))
	require.Empty(t, sound.PlanFor(3, 0, 5))
}

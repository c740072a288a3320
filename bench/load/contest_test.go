package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// takes is a program that does so much, and each time takes a second longer.
func takes(count float64, seconds int) contestant {
	return func(context.Context) (float64, Took, error) {
		seconds++
		return count, Took{Time: time.Duration(seconds) * time.Second}, nil
	}
}

func TestContest_TheTurnForTheCachesIsNotTold(t *testing.T) {
	var said []string
	c := Contest{Turns: 2, Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	turns, err := c.run(t.Context(), "faces", takes(7, 1), takes(7, 5), takes(7, 10))
	require.NoError(t, err)
	require.Equal(t, []Turn{
		{Count: 7, Ours: Took{Time: 3 * time.Second}, Plain: []Took{{Time: 7 * time.Second}, {Time: 12 * time.Second}}},
		{Count: 7, Ours: Took{Time: 4 * time.Second}, Plain: []Took{{Time: 8 * time.Second}, {Time: 13 * time.Second}}},
	}, turns)
	require.InDelta(t, (7.0/3+8.0/4)/2, MedianRatio(turns, 0), 1e-9)
	require.InDelta(t, (12.0/3+13.0/4)/2, MedianRatio(turns, 1), 1e-9)
	require.Equal(t, "  turn 1 of 2: 7 faces; spillway 3.00 s (CPU 0.00 s); plain 7.00 s (CPU 0.00 s), ratio 2.333; plain 12.00 s (CPU 0.00 s), ratio 4.000", said[0])
}

func TestContest_ProgramsThatDidNotDoTheSameAreNotCompared(t *testing.T) {
	c := Contest{Turns: 1, Say: func(string, ...any) {}}
	_, err := c.run(t.Context(), "faces", takes(7, 1), takes(8, 1))
	require.EqualError(t, err, "one program did 8 faces, and another 7")
	broken := errors.New("broken")
	_, err = c.run(t.Context(), "faces", takes(7, 1), func(context.Context) (float64, Took, error) { return 0, Took{}, broken })
	require.ErrorIs(t, err, broken)
}

func TestRunPlain_SaysWhyAProgramFailed(t *testing.T) {
	_, took, err := runPlain(t.Context(), []string{"WORD=spilled"}, "/bin/sh", "-c", "echo $WORD >&2; exit 3")
	require.ErrorContains(t, err, "exit status 3: spilled")
	require.Positive(t, took.Time)
	printed, _, err := runPlain(t.Context(), nil, "/bin/sh", "-c", "echo done")
	require.NoError(t, err)
	require.Equal(t, "done\n", string(printed))
	_, _, err = runPlain(t.Context(), nil, "/no/such/program")
	require.ErrorContains(t, err, "no such file")
}

func TestSameOutputs_ComparesAllFiles(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	require.Error(t, sameOutputs(a, b), "nothing is not the same as nothing")
	for _, dir := range []string{a, b} {
		require.NoError(t, os.Mkdir(dir+"/output_dir", 0o700))
		require.NoError(t, os.WriteFile(dir+"/output_dir/x.wav", []byte("1"), 0o600))
	}
	require.NoError(t, sameOutputs(a, b))
	require.NoError(t, os.WriteFile(b+"/output_dir/x.wav", []byte("2"), 0o600))
	require.Error(t, sameOutputs(a, b))
	require.Greater(t, familyMemory(os.Getpid()), int64(1<<20))
}

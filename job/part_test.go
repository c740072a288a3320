package job_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestPart_ItsNameSaysAll(t *testing.T) {
	for _, p := range []job.Part{
		{File: "clip.avi", Number: 2, Of: 16, From: 100, To: 200, Count: 100, Note: "25"},
		{File: "with space, [1,2) and ü.mp4", Number: 1, Of: 1, From: -5, To: 1 << 60, Note: "-"},
	} {
		got, ok := job.ParsePart(p.Name())
		require.True(t, ok)
		require.Equal(t, p, got)
		require.Equal(t, p.File, job.FileOf(p.Name()))
	}
	require.Equal(t, "clip.avi (part 2 of 3)", job.Part{File: "clip.avi", Number: 2, Of: 3}.String())
}

func TestParsePart_OtherNamesAreWholeFiles(t *testing.T) {
	for _, name := range []string{
		"", "clip.avi", "part 1 of 2 [0,1) 1 -", "../part 1 of 2", "a/part 3 of 2 [0,1) 1 -", "a/part 0 of 2 [0,1) 1 -",
		"a/part 1 of 2 [2,1) 1 -", "a/part 1 of 2 [0,1) -1 -", "a/part 1 of 2 [0,1) 1 - ", "a/part 1 of 2 [0,1) 1", "a/part +1 of 2 [0,1) 1 -", "a/b/part 1 of 2 [0,1) 1 -",
	} {
		_, ok := job.ParsePart(name)
		require.False(t, ok, name)
		require.Equal(t, name, job.FileOf(name))
	}
}

func TestSegment_IsHiddenAndTheJobsOwn(t *testing.T) {
	a := job.Part{File: "a.avi", Number: 1, Of: 2, Note: "-"}
	b := job.Part{File: "a.avi", Number: 2, Of: 2, Note: "-"}
	require.True(t, strings.HasPrefix(a.Segment("x"), job.TempPrefix("x")))
	require.NotEqual(t, a.Segment("x"), b.Segment("x"))
	require.NotEqual(t, a.Segment("x"), a.Segment("y"))
}

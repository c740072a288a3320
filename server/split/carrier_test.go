package split_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/split"
)

// carry opens a job's folder with the inputs a.png ("0123456789") and empty.png.
func carry(t *testing.T) (c *split.Carrier, out string) {
	t.Helper()
	root, roots := tree(t, "d/input_dir/a.png", "d/input_dir/empty.png", "d/input_dir/folder.png/")
	require.NoError(t, os.WriteFile(filepath.Join(root, "d/input_dir/a.png"), []byte("0123456789"), 0o644))
	c, err := split.Carry(roots, filepath.Join(root, "d"), "job-1")
	require.NoError(t, err)
	return c, filepath.Join(root, "d/output_dir")
}

// files are the names in dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func sum(data string) []byte {
	s := sha256.Sum256([]byte(data))
	return s[:]
}

func TestCarrier_MarkerIsThereWhileTheJobRuns(t *testing.T) {
	c, out := carry(t)
	require.Equal(t, []string{c.Marker()}, files(t, out))
	require.True(t, strings.HasPrefix(c.Marker(), job.HiddenPrefix))
	other, sameOut := carry(t)
	require.NotEqual(t, c.Marker(), other.Marker(), "nobody can know it before")
	require.NoError(t, c.Close())
	require.NoError(t, other.Close())
	require.Empty(t, files(t, out))
	require.Empty(t, files(t, sameOut))
}

func TestCarrier_RemovesWhatNobodyHasWrittenForLongAndNothingElse(t *testing.T) {
	root, roots := tree(t, "d/input_dir/a.png")
	base, out := filepath.Join(root, "d"), filepath.Join(root, "d/output_dir")
	dead, err := split.Carry(roots, base, "job-1") // never closed
	require.NoError(t, err)
	p := dead.Parcel("a.png")
	require.NoError(t, p.Write(t.Context(), job.Piece{Name: "a.png", Size: 3, Data: []byte("ab")}))
	neighbour, err := split.Carry(roots, base, "job-2")
	require.NoError(t, err)
	old, young := filepath.Join(out, ".spillway-0123.part"), filepath.Join(out, ".spillway-4567.part")
	for _, file := range []string{old, young, filepath.Join(out, "kept.png"), filepath.Join(out, ".hidden")} {
		require.NoError(t, os.WriteFile(file, nil, 0o644))
	}
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-48*time.Hour)))

	c, err := split.Carry(roots, base, "job-1")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !slices.Contains(files(t, out), filepath.Base(old)) }, 10*time.Second, time.Millisecond)
	left := []string{c.Marker(), neighbour.Marker(), filepath.Base(young), "kept.png", ".hidden"}
	require.Subset(t, files(t, out), left)
	require.Len(t, files(t, out), len(left)+2, "what the dead one left may be of an attempt that runs")
	source, err := split.Open(roots, base, job.Operation{})
	require.NoError(t, err)
	_, err = source.Clean(t.Context(), job.TempPrefix("job-1"))
	require.NoError(t, err)
	require.NoError(t, source.Close())
	require.ElementsMatch(t, left[1:], files(t, out), "the end of the job removes it")
	require.NoError(t, c.Close())
	require.NoError(t, neighbour.Close())
	require.NoError(t, dead.Close(), "a marker that is gone already is no error")
}

func TestCarrier_FoldersThatCannotBeWrittenAreTold(t *testing.T) {
	root, roots := tree(t, "d/input_dir/a.png", "d/output_dir", "e/input_dir/a.png")
	_, err := split.Carry(roots, filepath.Join(root, "d"), "job-1")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.NotEmpty(t, job.HintOf(err))
	require.NoError(t, os.Symlink("/tmp", filepath.Join(root, "e/output_dir")))
	_, err = split.Carry(roots, filepath.Join(root, "e"), "job-1")
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
	_, err = split.Carry(roots, "/etc", "job-1")
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
	_, err = split.Carry(roots, filepath.Join(root, "nowhere"), "job-1")
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func TestParcel_InputIsReadInOrderAndSummed(t *testing.T) {
	c, _ := carry(t)
	defer func() { require.NoError(t, c.Close()) }()
	p := c.Parcel("a.png")
	defer p.Discard()
	ctx := t.Context()
	in, err := p.Input(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(10), in.Size)
	require.WithinDuration(t, time.Now(), in.Modified, time.Hour)
	buffer := make([]byte, 6)
	got, err := p.Read(ctx, buffer, 0)
	require.NoError(t, err)
	require.Nil(t, got)
	require.Equal(t, "012345", string(buffer))
	_, err = p.Read(ctx, buffer[:2], 8)
	require.Equal(t, job.Unavailable, job.CodeOf(err), "nobody may leave bytes out")
	_, err = p.Read(ctx, buffer, 6)
	require.Error(t, err, "nor read beyond the end")
	for range 2 { // a piece may be asked for again
		got, err = p.Read(ctx, buffer, 4)
		require.NoError(t, err)
		require.Equal(t, "456789", string(buffer))
		require.Equal(t, sum("0123456789"), got)
	}
}

func TestParcel_InputsThatAreNoneAreNamed(t *testing.T) {
	c, out := carry(t)
	defer func() { require.NoError(t, c.Close()) }()
	for name, code := range map[string]job.Code{
		"folder.png": job.InvalidArgument, "gone.png": job.NotFound, "../a.png": job.PermissionDenied, "a/b.png": job.PermissionDenied,
	} {
		_, err := c.Parcel(name).Input(t.Context())
		require.Equal(t, code, job.CodeOf(err), name)
	}
	p := c.Parcel("a.png")
	_, err := p.Input(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(out, "../input_dir/a.png"), 4))
	_, err = p.Read(t.Context(), make([]byte, 10), 0)
	require.ErrorContains(t, err, "shorter")
	p.Discard()
	in, err := c.Parcel("empty.png").Input(t.Context())
	require.NoError(t, err)
	require.Zero(t, in.Size)
}

func TestParcel_OutputsHaveTheirNamesOnlyOnceCommitted(t *testing.T) {
	c, out := carry(t)
	ctx := t.Context()
	require.NoError(t, os.WriteFile(filepath.Join(out, "a.png"), []byte("before"), 0o644))
	lost := c.Parcel("a.png")
	require.NoError(t, lost.Write(ctx, job.Piece{Name: "a.png", Size: 4, Data: []byte("lost"), Sum: sum("lost")}))
	lost.Discard() // an attempt that does not count changes nothing
	require.ElementsMatch(t, []string{"a.png", c.Marker()}, files(t, out))

	p := c.Parcel("a.png")
	require.NoError(t, p.Write(ctx, job.Piece{Name: "a.png", Size: 5, Data: []byte("abc")}))
	require.NoError(t, p.Write(ctx, job.Piece{Name: "a.png", Size: 5, Offset: 1, Data: []byte("bcd")}), "a piece may overlap")
	require.NoError(t, p.Write(ctx, job.Piece{Name: "empty", Size: 0, Sum: sum("")}))
	for range 2 {
		require.NoError(t, p.Write(ctx, job.Piece{Name: "a.png", Size: 5, Offset: 4, Data: []byte("e"), Sum: sum("abcde")}))
	}
	data, err := os.ReadFile(filepath.Join(out, "a.png"))
	require.NoError(t, err)
	require.Equal(t, "before", string(data))
	require.NoError(t, p.Commit())
	p.Discard()
	require.NoError(t, c.Close())
	require.ElementsMatch(t, []string{"a.png", "empty"}, files(t, out))
	data, err = os.ReadFile(filepath.Join(out, "a.png"))
	require.NoError(t, err)
	require.Equal(t, "abcde", string(data))
}

func TestParcel_WhatANodeMayNotWriteIsRefused(t *testing.T) {
	c, out := carry(t)
	defer func() { require.NoError(t, c.Close()) }()
	p := c.Parcel("a.png")
	for name, in := range map[string]job.Piece{
		"another hash":      {Name: "x", Size: 1, Data: []byte("x"), Sum: sum("y")},
		"no hash":           {Name: "x", Size: 1, Data: []byte("x")},
		"a hash too early":  {Name: "x", Size: 2, Data: []byte("x"), Sum: sum("x")},
		"beyond its size":   {Name: "x", Size: 1, Data: []byte("xy"), Sum: sum("xy")},
		"a gap":             {Name: "x", Size: 9, Offset: 5, Data: []byte("x")},
		"nothing":           {Name: "x", Size: 9},
		"negative":          {Name: "x", Size: -1},
		"negative offset":   {Name: "x", Size: 3, Offset: -1, Data: []byte("x")},
		"a path":            {Name: "../input_dir/a.png", Size: 1, Data: []byte("x"), Sum: sum("x")},
		"the folder itself": {Name: ".", Size: 1, Data: []byte("x"), Sum: sum("x")},
		"a hidden file":     {Name: c.Marker(), Size: 1, Data: []byte("x"), Sum: sum("x")},
		"no name":           {Size: 1, Data: []byte("x"), Sum: sum("x")},
	} {
		require.Error(t, p.Write(t.Context(), in), name)
	}
	require.NoError(t, p.Write(t.Context(), job.Piece{Name: "b", Size: 4, Data: []byte("x")}))
	require.Error(t, p.Write(t.Context(), job.Piece{Name: "b", Size: 5, Offset: 1, Data: []byte("x")}), "another size")
	require.NoError(t, p.Commit())
	require.Equal(t, []string{c.Marker()}, files(t, out), "what is not whole is not committed")
	require.NoError(t, os.Mkdir(filepath.Join(out, "c"), 0o755))
	require.NoError(t, p.Write(t.Context(), job.Piece{Name: "c", Size: 1, Data: []byte("x"), Sum: sum("x")}))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(p.Commit()), "a directory has the name")
	require.ElementsMatch(t, []string{"c", c.Marker()}, files(t, out))
}

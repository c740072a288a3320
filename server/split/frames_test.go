package split

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/job"
)

func TestCuts_CoverEveryFrameOnceAndGoToKeyFramesThatAreNear(t *testing.T) {
	every := func(step, count int) (keys []int) {
		for k := 0; k < count; k += step {
			keys = append(keys, k)
		}
		return keys
	}
	rows := []struct {
		name          string
		count, pixels int
		keys          []int
		parts         int
		first         int // the first cut
	}{
		{"one frame", 1, 1, []int{0}, 1, 1},
		{"a short clip", 100, 100, []int{0}, 1, 100},
		{"no key frame but the first", 1000, 100, []int{0}, 8, 125},
		{"a key frame that is near", 1000, 100, every(130, 1000), 8, 130},
		{"the nearest of several", 1000, 100, []int{0, 97, 120, 131}, 8, 120},
		{"every frame is one", 1000, 100, every(1, 1000), 8, 125},
		{"key frames far apart", 5000, 100, every(600, 5000), 36, 138},
		{"large frames", 1000, 8_000_000, []int{0}, 72, 13},
		{"a very long video", 10_000_000, 8_000_000, []int{0}, 252, 39682},
		{"frames that take seconds", 200, 100_000_000, every(12, 200), 200, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			ends := cuts(row.count, row.pixels, row.keys)
			require.Equal(t, row.first, ends[0])
			require.Len(t, ends, row.parts)
			last := 0
			for _, end := range ends {
				require.Greater(t, end, last)
				last = end
			}
			require.Equal(t, row.count, last)
		})
	}
}

func TestCuts_MakeAsManyPartsAsNodesLikeToShare(t *testing.T) {
	for least, want := range map[int]int{0: 1, 1: 1, 4: 4, 5: 6, 7: 8, 8: 8, 9: 12, 13: 24, 24: 24, 250: 252, 9999: 252} {
		require.Equal(t, want, shared(least, maxParts), "at least %d", least)
	}
}

func TestEffort_FollowsWhatTheOperationDoes(t *testing.T) {
	rows := []struct {
		op   string
		want int // parts of 200 frames of 768 × 576
	}{
		{"video:edges", 2},
		{"video:resize:scale=0.5", 2},
		{"video:resize:width=7680", 108},
		{"video:resize:width=640,height=480", 3},
		{"video:face_mesh", 6},
		{"video:face_mesh:upsample=2", 36},
		{"video:denoise", 36},
		{"video:denoise:search=35", 108},
	}
	for _, row := range rows {
		op, err := job.ParseOperation(row.op)
		require.NoError(t, err)
		require.Len(t, cuts(200, effort(op, 768, 576), []int{0}), row.want, row.op)
	}
}

func TestJoin_AnInputThatWasReplacedIsNoSourceOfItsParts(t *testing.T) {
	op := job.Operation{Name: "video:edges"}
	roots, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -pix_fmt yuv420p", op)
	parts := listed(t, s)
	require.NoError(t, os.MkdirAll(filepath.Join(s.Base(), job.OutputDir), 0o755))
	input := filepath.Join(s.Base(), job.InputDir, "a.mp4")
	for _, p := range parts {
		require.NoError(t, os.Link(input, filepath.Join(s.Base(), job.OutputDir, p.Segment("j"))))
	}
	data, err := os.ReadFile(input)
	require.NoError(t, err)
	require.NoError(t, os.Remove(input))
	require.NoError(t, os.WriteFile(input, data, 0o600))
	require.NoError(t, os.Chtimes(input, time.Time{}, time.Now().Add(time.Second)))
	_, err = Joiner{roots}.Join(t.Context(), s.Base(), "j", op, parts)
	require.ErrorContains(t, err, "a.mp4: it was written to while the job ran")
}

// video makes a root with one video, and a source of it.
func video(t *testing.T, name, args string, op job.Operation) (confine.Roots, *Source) {
	t.Helper()
	if programs().Check() != nil {
		t.Skip("FFmpeg is not installed")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(root, job.InputDir), 0o755))
	path := filepath.Join(root, job.InputDir, name)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(strings.Fields("-v error -nostdin -y "+args), path)...).CombinedOutput()
	require.NoError(t, err, string(out))
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	s, err := Open(roots, path, op)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.Equal(t, root, s.Base())
	return roots, s
}

// listed are the parts of a source.
func listed(t *testing.T, s *Source) (parts []job.Part) {
	t.Helper()
	require.NoError(t, s.Inputs(t.Context(), func(name string) bool {
		p, ok := job.ParsePart(name)
		require.True(t, ok, name)
		parts = append(parts, p)
		return true
	}))
	return parts
}

func TestInputs_PartsOfAVideoTouchAndAreTheSameEveryTime(t *testing.T) {
	_, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=20 -c:v libx264 -pix_fmt yuv420p", job.Operation{Name: "video:edges"})
	parts := listed(t, s)
	require.Greater(t, len(parts), 2)
	var count int64
	for i, p := range parts {
		require.Equal(t, "a.mp4", p.File)
		require.Equal(t, [2]int{i + 1, len(parts)}, [2]int{p.Number, p.Of})
		if i > 0 {
			require.Equal(t, parts[i-1].To, p.From)
		}
		count += p.Count
	}
	require.EqualValues(t, 500, count)
	require.Equal(t, parts, listed(t, s))
	inputs, others, err := s.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, [2]int64{1, 0}, [2]int64{inputs, others})
}

func TestInputs_PicturesOfAVideoAreCounted(t *testing.T) {
	op := job.Operation{Name: job.ExtractFrames, Params: map[string]string{"rate": "10", "start": "5"}}
	_, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=20 -c:v libx264 -pix_fmt yuv420p", op)
	parts := listed(t, s)
	require.Len(t, parts, 2)
	require.Equal(t, [2]int64{100, 150}, [2]int64{parts[1].From, parts[1].To})
}

// Two frames that are a day apart would be a hundred million pictures.
func TestInputs_AVideoOfTooManyPicturesIsOneTaskForTheNodeToName(t *testing.T) {
	op := job.Operation{Name: job.ExtractFrames, Params: map[string]string{"rate": "1000"}}
	_, s := video(t, "a.mkv", "-f lavfi -i testsrc2=s=64x48:r=1:d=2 -vf setpts=N*100000/TB -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p", op)
	var names []string
	require.NoError(t, s.Inputs(t.Context(), func(name string) bool {
		names = append(names, name)
		return true
	}))
	require.Equal(t, []string{"a.mkv"}, names)
}

func TestJoin_SaysWhatIsMissing(t *testing.T) {
	op := job.Operation{Name: "video:edges"}
	roots, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=10 -c:v libx264 -pix_fmt yuv420p", op)
	parts := listed(t, s)
	_, err := Joiner{roots}.Join(t.Context(), s.Base(), "j", op, parts)
	require.ErrorContains(t, err, "join a.mp4: what became of part 1 of")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))

	require.NoError(t, os.MkdirAll(filepath.Join(s.Base(), job.OutputDir), 0o755))
	for _, p := range parts {
		require.NoError(t, os.Link(filepath.Join(s.Base(), job.InputDir, "a.mp4"), filepath.Join(s.Base(), job.OutputDir, p.Segment("j"))))
	}
	_, err = Joiner{roots}.Join(t.Context(), s.Base(), "j", op, parts)
	require.ErrorContains(t, err, "join a.mp4: the joined video has another number of frames than its source")
	left, readErr := os.ReadDir(filepath.Join(s.Base(), job.OutputDir))
	require.NoError(t, readErr)
	require.Len(t, left, len(parts), "no half a video is left")

	_, err = Joiner{roots}.Join(t.Context(), s.Base(), "j", op, parts[:1])
	require.ErrorContains(t, err, "it was split")
	require.False(t, Joiner{}.Joins(job.Operation{Name: "edges"}))
}

func TestOpen_AFolderWithoutVideosSaysWhatIsWanted(t *testing.T) {
	roots, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -c:v libx264", job.Operation{Name: "video:edges"})
	require.NoError(t, os.Rename(filepath.Join(s.Base(), job.InputDir, "a.mp4"), filepath.Join(s.Base(), job.InputDir, "a.png")))
	_, err := Open(roots, s.Base(), job.Operation{Name: "video:edges"})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Contains(t, job.Describe(err), ".mp4")
	_, err = Open(roots, filepath.Join(s.Base(), job.InputDir, "a.png"), job.Operation{Name: "video:edges"})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err), "one file of another kind")
}

func TestParcel_TheOnlyHiddenOutputIsThePartsSegment(t *testing.T) {
	roots, s := video(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -c:v libx264", job.Operation{Name: "video:edges"})
	c, err := Carry(roots, s.Base(), "j")
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	part := job.Part{File: "a.mp4", Number: 1, Of: 1, Note: "-"}
	p := c.Parcel(part.Name())
	defer p.Discard()
	in, err := p.Input(t.Context())
	require.NoError(t, err)
	require.Positive(t, in.Size)
	piece := job.Piece{Name: part.Segment("j"), Size: 9, Data: []byte("x")}
	require.NoError(t, p.Write(t.Context(), piece))
	piece.Name = part.Segment("another")
	require.Equal(t, job.PermissionDenied, job.CodeOf(p.Write(t.Context(), piece)))
}

func TestInputs_EachSequenceOfPicturesIsCutIntoParts(t *testing.T) {
	parts, err := sequences{}.group([]string{"b.2.png", "a.10.png", "a.9.png", "b.1.png", "lone.png", "a.8.png"})
	require.NoError(t, err)
	require.Equal(t, []job.Part{
		{File: "lone.png"},
		{File: "a.8.png", Number: 1, Of: 1, From: 8, To: 11, Count: 3, Note: "-"},
		{File: "b.1.png", Number: 1, Of: 1, From: 1, To: 3, Count: 2, Note: "-"},
	}, parts)
	var many []string
	for k := range 70 {
		many = append(many, "c."+strconv.Itoa(2*k)+".png")
	}
	parts, err = sequences{}.group(many)
	require.NoError(t, err)
	require.Equal(t, []job.Part{
		{File: "c.0.png", Number: 1, Of: 3, From: 0, To: 63, Count: 32, Note: "-"},
		{File: "c.0.png", Number: 2, Of: 3, From: 64, To: 127, Count: 32, Note: "-"},
		{File: "c.0.png", Number: 3, Of: 3, From: 128, To: 139, Count: 6, Note: "-"},
	}, parts)
	for _, names := range [][]string{{"a.1.png", "a.01.png"}, {"a.1.png", "a.2.jpg"}} {
		_, err := sequences{}.group(names)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	}
}

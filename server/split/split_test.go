package split_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/job"
	"spillway/server/split"
)

// tree makes a root with the named files; a name that ends in a slash is a folder.
func tree(t *testing.T, names ...string) (root string, roots confine.Roots) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, name := range names {
		path := filepath.Join(root, name)
		if name[len(name)-1] == '/' {
			require.NoError(t, os.MkdirAll(path, 0o755))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	roots, err = confine.NewRoots(root)
	require.NoError(t, err)
	return root, roots
}

// open opens a source that the test closes.
func open(t *testing.T, roots confine.Roots, path string) *split.Source {
	t.Helper()
	s, err := split.Open(roots, path, job.Operation{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// inputs are the names of all inputs, sorted.
func inputs(t *testing.T, s *split.Source) []string {
	t.Helper()
	var names []string
	require.NoError(t, s.Inputs(t.Context(), func(name string) bool { names = append(names, name); return true }))
	n, _, err := s.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(len(names)), n)
	slices.Sort(names)
	return names
}

func TestSource_InputsArePicturesByName(t *testing.T) {
	want := []string{
		"a.jpg", "b.jpeg", "c.PNG", "d.WebP", "e.bmp", "f.tif", "g.TIFF", "h.i.Jpg",
		"two words.png", "\u00fcn\u00efc\u00f6de \u5bfa.png", "line\nbreak.png", "-rf.png", "bad\xffutf8.png", "folder.png",
	}
	files := []string{"data/output_dir/x.png", "data/y.png", "data/input_dir/below/z.png", "data/input_dir/folder.png/"}
	for _, name := range append([]string{"notes.txt", ".hidden.png", ".png", "png", "movie.mp4", "a.jpg.part", "noext"}, want...) {
		if name != "folder.png" {
			files = append(files, "data/input_dir/"+name)
		}
	}
	root, roots := tree(t, files...)
	s := open(t, roots, "data")
	require.Equal(t, filepath.Join(root, "data"), s.Base())
	slices.Sort(want)
	require.Equal(t, want, inputs(t, s))
	_, others, err := s.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(6), others, "notes.txt png movie.mp4 a.jpg.part noext below/, and nothing hidden")
}

func TestSource_RelativeAndAbsolutePathsAreTheSame(t *testing.T) {
	root, roots := tree(t, "a/b/input_dir/x.png")
	for _, path := range []string{"a/b", "./a/b/", "a/../a/b", filepath.Join(root, "a/b")} {
		require.Equal(t, filepath.Join(root, "a/b"), open(t, roots, path).Base(), path)
	}
}

func TestSource_LinksWithinTheRootAreFollowed(t *testing.T) {
	root, roots := tree(t, "real/input_dir/x.png", "store/y.png", "other/")
	require.NoError(t, os.Symlink("real", filepath.Join(root, "link")))
	require.NoError(t, os.Symlink("../store", filepath.Join(root, "other/input_dir")))
	require.Equal(t, []string{"x.png"}, inputs(t, open(t, roots, "link")))
	require.Equal(t, []string{"y.png"}, inputs(t, open(t, roots, "other")))
}

func TestOpen_SaysWhatWhereAndWhatToDo(t *testing.T) {
	const want = "a job's folder holds input_dir with pictures (.jpg .jpeg .png .webp .bmp .tif .tiff)"
	outside, _ := tree(t, "input_dir/x.png")
	root, roots := tree(t, "bare/", "file", "linked/", "empty/input_dir/", "texts/input_dir/a.txt", "texts/input_dir/.b.png", "flat/input_dir")
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "out")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "input_dir"), filepath.Join(root, "linked/input_dir")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "dangling")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644))

	const lies = "; one file is worked on where it lies in such an input_dir"
	below := "; use a folder below " + root + ", or start the server with --root"
	rows := []struct {
		name, path string
		code       job.Code
		want       string
	}{
		{"missing folder", "nope", job.NotFound, "open nope: no such folder; " + want},
		{"dangling link", "dangling", job.NotFound, "open dangling: no such folder; " + want},
		{"missing input_dir", "bare", job.NotFound, "open " + root + "/bare/input_dir: no such folder; " + want},
		{"a file", "file", job.FailedPrecondition, "open file: is not a directory; " + want + lies},
		{"a file on the way", "file/x", job.FailedPrecondition, "open file/x: is not a directory; " + want + lies},
		{"a pipe", "pipe", job.FailedPrecondition, "open pipe: is not a directory; " + want + lies},
		{"input_dir is a file", "flat", job.FailedPrecondition, "open " + root + "/flat/input_dir: is not a directory; " + want + lies},
		{"empty", "empty", job.FailedPrecondition, "open " + root + "/empty/input_dir: holds no picture; " + want},
		{"no picture", "texts", job.FailedPrecondition, "open " + root + "/texts/input_dir: holds no picture; " + want},
		{"outside", outside, job.PermissionDenied, "open " + outside + ": leads out of the allowed roots" + below},
		{"dots", "bare/../../x", job.PermissionDenied, "open bare/../../x: leads out of the allowed roots" + below},
		{"link out", "out", job.PermissionDenied, "open out: leads out of the allowed roots" + below},
		{"input_dir links out", "linked", job.PermissionDenied, "open " + root + "/linked/input_dir: leads out of the allowed roots" + below},
		{"zero byte", "a\x00b", job.PermissionDenied, `open "a\x00b": leads out of the allowed roots` + below},
		{"colour", "\x1b[31mred", job.NotFound, `open "\x1b[31mred": no such folder; ` + want},
		{"input_dir itself", "empty/input_dir", job.NotFound, "open " + root + "/empty/input_dir/input_dir: no such folder; name the folder that holds input_dir, not input_dir itself"},
	}
	files := openFiles(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := split.Open(roots, row.path, job.Operation{})
			require.Error(t, err)
			require.Equal(t, row.want, job.Describe(err))
			require.Equal(t, row.code, job.CodeOf(err))
		})
	}
	require.Equal(t, files, openFiles(t), "a refusal leaves nothing open")
}

func TestOpen_OneFileThatIsWrongIsNamedItself(t *testing.T) {
	root, roots := tree(t, "a/input_dir/x.png", "a/input_dir/notes.txt", "empty/input_dir/")
	edges, stems, lecture := job.Operation{Name: "edges"}, job.Operation{Name: job.Stems}, job.Operation{Name: job.VideoPrefix + "edges"}
	rows := []struct {
		name, path string
		op         job.Operation
		code       job.Code
		want       string
	}{
		{"missing", "a/input_dir/y.png", edges, job.NotFound, "open a/input_dir/y.png: no such file; name a file that is there, or the folder that holds input_dir for all of them"},
		{"no picture", "a/input_dir/notes.txt", edges, job.FailedPrecondition, "open " + root + "/a/input_dir/notes.txt: is no file that the operation takes, by its name; the operation takes files that end in .jpg .jpeg .png .webp .bmp .tif .tiff"},
		{"no song", "a/input_dir/x.png", stems, job.FailedPrecondition, "open " + root + "/a/input_dir/x.png: is no file that the operation takes, by its name; the operation takes files that end in .mp3 .flac .wav .ogg .oga .opus .m4a .aac"},
		{"no folder of songs", "b", stems, job.NotFound, "open b: no such folder; a job's folder holds input_dir with files that end in .mp3 .flac .wav .ogg .oga .opus .m4a .aac"},
		{"no videos", "empty", lecture, job.FailedPrecondition, "open " + root + "/empty/input_dir: holds no video or sound that the operation takes; the operation takes files that end in .mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .flv .wmv .ogv .3gp .gif"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := split.Open(roots, row.path, row.op)
			require.Error(t, err)
			require.Equal(t, row.want, job.Describe(err))
			require.Equal(t, row.code, job.CodeOf(err))
		})
	}
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

func TestOpen_UnreadableFoldersAreNamed(t *testing.T) {
	root, roots := tree(t, "a/input_dir/x.png")
	input := filepath.Join(root, "a/input_dir")
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	require.NoError(t, os.Chmod(root, 0o755))
	require.NoError(t, os.Chmod(input, 0))
	t.Cleanup(func() { require.NoError(t, os.Chmod(input, 0o755)) })
	var err error
	asNobody(func() { _, err = split.Open(roots, "a", job.Operation{}) })
	require.Error(t, err)
	require.Equal(t, "open "+input+": permission denied; let the user that runs the server read it", job.Describe(err))
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
}

// asNobody runs f without root's right to read everything, on a thread of its
// own that ends with it. For any other user it changes nothing.
func asNobody(f func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		f()
	})
	wg.Wait()
}

func TestSource_ListingStopsWhenToldOrWhenItsContextEnds(t *testing.T) {
	_, roots := tree(t, "d/input_dir/a.png", "d/input_dir/b.png", "d/input_dir/c.png")
	s := open(t, roots, "d")
	n := 0
	require.NoError(t, s.Inputs(t.Context(), func(string) bool { n++; return n < 2 }))
	require.Equal(t, 2, n)

	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, _, err := s.Count(ctx)
	require.ErrorIs(t, err, why)
}

func TestSource_FolderThatVanishesEndsTheListing(t *testing.T) {
	root, roots := tree(t, "d/input_dir/a.png")
	input := filepath.Join(root, "d/input_dir")
	for n := range 1500 {
		require.NoError(t, os.WriteFile(filepath.Join(input, fmt.Sprint(n, ".png")), nil, 0o644))
	}
	s := open(t, roots, "d")
	n := 0
	err := s.Inputs(t.Context(), func(string) bool {
		if n++; n == 1 {
			require.NoError(t, os.RemoveAll(input))
		}
		return true
	})
	require.GreaterOrEqual(t, n, 1)
	if err != nil { // where the kernel has no more to tell of it
		require.Equal(t, job.Unavailable, job.CodeOf(err))
	}
	_, _, err = s.Count(t.Context())
	require.Equal(t, "list "+input+": no such file or directory; check the disk, then run the job again", job.Describe(err))
}

func TestSource_ManyInputsCostNoMemoryInProportion(t *testing.T) {
	const files = 50_000
	root, roots := tree(t, "d/input_dir/first.png")
	for n := 1; n < files; n++ {
		name := filepath.Join(root, "d/input_dir", fmt.Sprintf("%060d.png", n))
		require.NoError(t, os.Link(filepath.Join(root, "d/input_dir/first.png"), name))
	}
	s := open(t, roots, "d")
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	require.NoError(t, s.Inputs(t.Context(), func(string) bool {
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return true
	}))
	require.Equal(t, files, n)
	require.Less(t, most-min(most, before.HeapAlloc), uint64(1<<20), "held while listing")
}

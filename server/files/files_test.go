package files

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s *Store, n New, body string) error {
	t.Helper()
	n.Size = max(n.Size, int64(len(body)))
	return s.Put(t.Context(), n, strings.NewReader(body))
}

func TestPut_IsWholeOrNotThere(t *testing.T) {
	s := open(t, Config{})
	sum := sha256.Sum256([]byte("body"))
	require.NoError(t, put(t, s, New{Folder: "a", Name: "1.png", Sum: sum[:]}, "body"))
	require.ErrorIs(t, put(t, s, New{Folder: "a", Name: "2.png", Sum: sum[:]}, "bodY"), ErrSum)
	require.Equal(t, job.InvalidArgument, job.CodeOf(put(t, s, New{Folder: "a", Name: "3.png", Size: 9}, "body")))
	names, err := s.Names("a", InputDir)
	require.NoError(t, err)
	require.Equal(t, []string{"1.png"}, names)
	left, err := filepath.Glob(filepath.Join(s.Dir(), hidden, "*"+partSuffix))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPut_ReplacesOnlyWhenAsked(t *testing.T) {
	s := open(t, Config{})
	require.NoError(t, put(t, s, New{Folder: "a", Name: "1"}, "old"))
	require.Equal(t, job.AlreadyExists, job.CodeOf(put(t, s, New{Folder: "a", Name: "1"}, "new")))
	require.NoError(t, put(t, s, New{Folder: "a", Name: "1", Overwrite: true}, "new"))
	f, _, err := s.Get("a", InputDir, "1")
	require.NoError(t, err)
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, "new", string(got))
}

func TestPut_RefusesNamesThatLeadElsewhere(t *testing.T) {
	s := open(t, Config{})
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a\x00b", "a\nb", ".hidden", strings.Repeat("x", 300)} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(put(t, s, New{Folder: "a", Name: name}, "x")), "%q", name)
		require.Equal(t, job.InvalidArgument, job.CodeOf(put(t, s, New{Folder: name, Name: "a"}, "x")), "%q", name)
		require.Equal(t, job.InvalidArgument, job.CodeOf(s.DeleteFolder(name)), "%q", name)
	}
	require.Equal(t, job.InvalidArgument, job.CodeOf(put(t, s, New{Folder: Uploads, Name: "a"}, "x")))
}

func TestPut_TellsWhichNameWillNotDo(t *testing.T) {
	require.EqualError(t, checkPath("", InputDir, ""), "folder: it is empty")
	require.EqualError(t, checkPath("a", InputDir, ""), "file: it is empty")
	require.EqualError(t, checkPath("a", InputDir, "../b"), "file ../b: it has a slash")
}

func TestPut_KeepsToQuotaAndDisk(t *testing.T) {
	s := open(t, Config{Quota: 10})
	require.NoError(t, put(t, s, New{Folder: "a", Name: "1"}, "123456"))
	require.ErrorIs(t, put(t, s, New{Folder: "a", Name: "2"}, "12345"), ErrFull)
	require.NoError(t, s.Delete("a", InputDir, "1"))
	require.NoError(t, put(t, s, New{Folder: "a", Name: "2"}, "12345"))

	full := open(t, Config{Spare: 1, Free: func() (int64, error) { return 4, nil }})
	require.ErrorIs(t, put(t, full, New{Folder: "a", Name: "1"}, "1234"), ErrFull)
	require.NoError(t, put(t, full, New{Folder: "a", Name: "1"}, "123"))
}

func TestPut_OneOfTwoAtOnceHasTheName(t *testing.T) {
	s := open(t, Config{})
	r, w := io.Pipe()
	first := make(chan error, 1)
	go func() { first <- s.Put(t.Context(), New{Folder: "a", Name: "1", Size: 2}, r) }()
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, job.AlreadyExists, job.CodeOf(put(t, s, New{Folder: "a", Name: "1", Overwrite: true}, "yy")))
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-first)
}

func TestGet_FollowsNoLink(t *testing.T) {
	s := open(t, Config{})
	require.NoError(t, put(t, s, New{Folder: "a", Name: "1"}, "x"))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(s.Source("a"), InputDir, "link")))
	_, _, err := s.Get("a", InputDir, "link")
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func TestOpen_OneServerHasADirectory(t *testing.T) {
	s := open(t, Config{})
	_, err := Open(Config{Dir: s.Dir()})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
}

// tmpfs mounts a disk of a size in a directory; what it returns gives it another size.
func tmpfs(t *testing.T, dir, size string) func(size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return func(size string) {
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size))
	}
}

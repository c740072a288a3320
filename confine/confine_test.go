package confine_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/confine"
)

// tree makes
//
//	outside/secret
//	root/data/a.jpg, root/other/b.jpg
//
// and the links that a hostile user might leave in root/data.
func tree(t *testing.T) (root, outside string) {
	top := t.TempDir()
	root, outside = filepath.Join(top, "root"), filepath.Join(top, "outside")
	for _, dir := range []string{outside, filepath.Join(root, "data", "sub"), filepath.Join(root, "other")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	for _, file := range []string{filepath.Join(outside, "secret"), filepath.Join(root, "data", "a.jpg"), filepath.Join(root, "other", "b.jpg")} {
		require.NoError(t, os.WriteFile(file, []byte(filepath.Base(file)), 0o644))
	}
	for name, target := range map[string]string{
		"out":         "../../outside",                      // a folder outside
		"out-file":    "../../outside/secret",               // a file outside
		"absolute":    filepath.Join(outside, "secret"),     // outside, absolute
		"absolute-in": filepath.Join(root, "data", "a.jpg"), // inside, but absolute
		"in":          "../other/b.jpg",                     // inside the root, outside the folder
		"chain":       "out-file",                           // out by two steps
		"loop":        "loop",
		"dangling":    "nowhere",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(root, "data", name)))
	}
	return root, outside
}

func open(t *testing.T, root, path string) *confine.Folder {
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	folder, err := roots.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folder.Close()) })
	return folder
}

func TestFolder_NoLinkLeadsOut(t *testing.T) {
	root, _ := tree(t)
	folder := open(t, root, "data")
	rows := []struct {
		name, file string
		want       error // nil: it opens
	}{
		{"a file", "a.jpg", nil},
		{"a link that stays in the root", "in", nil},
		{"a link to a file outside", "out-file", confine.ErrOutside},
		{"a file below a link to a folder outside", "out/secret", confine.ErrOutside},
		{"a link to a link out", "chain", confine.ErrOutside},
		{"an absolute link out", "absolute", confine.ErrOutside},
		{"an absolute link, even one that comes back in", "absolute-in", confine.ErrOutside},
		{"dots out of the folder, within the root", "../other/b.jpg", nil},
		{"dots out of the root", "../../outside/secret", confine.ErrOutside},
		{"a link that dangles", "dangling", fs.ErrNotExist},
		{"a link to itself", "loop", syscall.ELOOP},
		{"missing", "b.jpg", fs.ErrNotExist},
		{"NUL", "a.jpg\x00", syscall.EINVAL},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, statErr := folder.Stat(row.file)
			file, err := folder.Open(row.file)
			if row.want == nil {
				require.NoError(t, statErr)
				require.NoError(t, err)
				content, err := io.ReadAll(file)
				require.NoError(t, err)
				require.NotEqual(t, "secret", string(content))
				require.NoError(t, file.Close())
				return
			}
			require.ErrorIs(t, statErr, row.want)
			require.ErrorIs(t, err, row.want)
			require.Nil(t, file)
		})
	}
}

func TestFolder_WritesNothingOutside(t *testing.T) {
	root, outside := tree(t)
	folder := open(t, root, "data")
	attempts := map[string]func() error{
		"create below a link":   func() error { _, err := folder.Create("out/new"); return err },
		"create above the root": func() error { _, err := folder.Create("../../outside/new"); return err },
		"make a directory":      func() error { return folder.MkdirAll("out/new/deep") },
		"rename out":            func() error { return folder.Rename("a.jpg", "out/a.jpg") },
		"rename in":             func() error { return folder.Rename("out/secret", "mine") },
		"remove":                func() error { return folder.Remove("out/secret") },
	}
	for name, attempt := range attempts {
		require.ErrorIs(t, attempt(), confine.ErrOutside, name)
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, left, 1, "the secret alone")
	require.FileExists(t, filepath.Join(root, "data", "a.jpg"))
}

func TestFolder_CreateNeverFollowsOrReplaces(t *testing.T) {
	root, outside := tree(t)
	folder := open(t, root, "data")
	for _, taken := range []string{"a.jpg", "dangling", "absolute", "out-file"} {
		_, err := folder.Create(taken)
		require.ErrorIs(t, err, fs.ErrExist, taken)
	}
	secret, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(secret))
}

func TestFolder_CreateRenameRemove(t *testing.T) {
	root, _ := tree(t)
	folder := open(t, root, "data")
	require.Equal(t, filepath.Join(root, "data"), folder.Path())
	require.NoError(t, folder.MkdirAll("output_dir"))
	require.NoError(t, folder.MkdirAll("output_dir"), "again is no error")
	file, err := folder.Create("output_dir/.part")
	require.NoError(t, err)
	_, err = file.WriteString("new")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, folder.Rename("output_dir/.part", "a.jpg"), "it replaces")
	content, err := os.ReadFile(filepath.Join(root, "data", "a.jpg"))
	require.NoError(t, err)
	require.Equal(t, "new", string(content))
	require.NoError(t, folder.Remove("a.jpg"))
	require.NoFileExists(t, filepath.Join(root, "data", "a.jpg"))
}

func TestFolder_OpenDoesNotWaitForAPipesWriter(t *testing.T) {
	root, _ := tree(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "data", "pipe.jpg"), 0o644))
	file, err := open(t, root, "data").Open("pipe.jpg")
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Empty(t, content)
	require.NoError(t, file.Close())
}

func TestRoots_OpenOnlyFoldersBelowThem(t *testing.T) {
	root, outside := tree(t)
	second := filepath.Join(filepath.Dir(root), "second")
	require.NoError(t, os.MkdirAll(filepath.Join(second, "deep"), 0o755))
	require.NoError(t, os.Mkdir(root+"-twin", 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(second, "link")))
	roots, err := confine.NewRoots(root, second)
	require.NoError(t, err)
	require.Equal(t, root+", "+second, roots.String())

	rows := []struct {
		name, path string
		want       string // the folder's path; empty: refused
		err        error
	}{
		{"relative to the first", "data", filepath.Join(root, "data"), nil},
		{"the root itself", ".", root, nil},
		{"empty is the root itself", "", root, nil},
		{"absolute", filepath.Join(root, "data", "sub"), filepath.Join(root, "data", "sub"), nil},
		{"absolute in the second", filepath.Join(second, "deep"), filepath.Join(second, "deep"), nil},
		{"relative, with dots, into the second", "../second/deep", filepath.Join(second, "deep"), nil},
		{"dots that stay", "data/../data/./sub", filepath.Join(root, "data", "sub"), nil},
		{"outside", outside, "", confine.ErrOutside},
		{"dots out", "../outside", "", confine.ErrOutside},
		{"absolute with dots out", root + "/data/../../outside", "", confine.ErrOutside},
		{"many dots", strings.Repeat("../", 100) + "etc", "", confine.ErrOutside},
		{"the file system's root", "/", "", confine.ErrOutside},
		{"a name that begins like a root", root + "-twin", "", confine.ErrOutside},
		{"a link out", "data/out", "", confine.ErrOutside},
		{"an absolute link out of the second", filepath.Join(second, "link"), "", confine.ErrOutside},
		{"NUL", "data\x00", "", confine.ErrOutside},
		{"missing", "nowhere", "", fs.ErrNotExist},
		{"a file", "data/a.jpg", "", syscall.ENOTDIR},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			folder, err := roots.Open(row.path)
			if row.want == "" {
				require.ErrorIs(t, err, row.err)
				require.Nil(t, folder)
				require.Less(t, len(err.Error()), 1000)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, folder.Path())
			require.NoError(t, folder.Close())
			path, err := roots.Path(row.path)
			require.NoError(t, err)
			require.Equal(t, row.want, path)
		})
	}
}

func TestRoots_OpenOnlyWhereThePermissionsAllow(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may open every folder; run as another user")
	}
	root, _ := tree(t)
	require.NoError(t, os.Chmod(filepath.Join(root, "data"), 0))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, "data"), 0o755) }) // or it could not be removed
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	folder, err := roots.Open("data")
	require.NoError(t, err, "the folder is seen")
	_, err = folder.Open("a.jpg")
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NoError(t, folder.Close())
}

func TestRoots_ALinkedRootMayBeSpelledEitherWay(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "real/data"), 0o755))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("real", link))
	roots, err := confine.NewRoots(link)
	require.NoError(t, err)
	for _, path := range []string{"data", filepath.Join(link, "data"), filepath.Join(dir, "real/data")} {
		f, err := roots.Open(path)
		require.NoError(t, err, path)
		require.Equal(t, filepath.Join(link, "data"), f.Path(), "as the operator spelled it")
		require.NoError(t, f.Close())
	}
	_, err = roots.Open(dir)
	require.ErrorIs(t, err, confine.ErrOutside)
}

func TestNewRoots_RefusesWhatIsNoDirectory(t *testing.T) {
	root, _ := tree(t)
	_, err := confine.NewRoots(root, filepath.Join(root, "nowhere"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = confine.NewRoots(filepath.Join(root, "data", "a.jpg"))
	require.ErrorContains(t, err, "a.jpg")
	require.ErrorIs(t, err, syscall.ENOTDIR)

	t.Chdir(root)
	roots, err := confine.NewRoots()
	require.NoError(t, err)
	path, err := roots.Path("data")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, "data"), path, "no root means the working directory")
}

func TestFolder_CloseLeavesOpenFilesOpen(t *testing.T) {
	root, _ := tree(t)
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	folder, err := roots.Open("data")
	require.NoError(t, err)
	file, err := folder.Open("a.jpg")
	require.NoError(t, err)
	require.NoError(t, folder.Close())
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "a.jpg", string(content))
	require.NoError(t, file.Close())
	_, err = folder.Open("a.jpg")
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestFolder_ManyAtOnce(t *testing.T) {
	root, _ := tree(t)
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	shared := open(t, root, "data")
	errs := make([]error, 64)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = useOnce(roots, shared, strconv.Itoa(n)) })
	}
	// Meanwhile a name changes between a folder within and a link out.
	for range 200 {
		swap := filepath.Join(root, "data", "swap")
		require.NoError(t, os.Symlink("../../outside", swap))
		require.NoError(t, os.Remove(swap))
		require.NoError(t, os.Mkdir(swap, 0o755))
		require.NoError(t, os.Remove(swap))
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// useOnce opens a folder of its own and writes, renames and reads through a shared one.
func useOnce(roots confine.Roots, shared *confine.Folder, name string) error {
	own, err := roots.Open("data")
	if err != nil {
		return err
	}
	file, err := shared.Create(name)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if leaked, err := own.Open("swap/secret"); err == nil {
		_ = leaked.Close()
		return confine.ErrOutside
	}
	if err := own.Rename(name, name+".done"); err != nil {
		return err
	}
	if _, err := shared.Stat(name + ".done"); err != nil {
		return err
	}
	return own.Close()
}

func TestCheckName_IsOneElementThatStays(t *testing.T) {
	for _, good := range []string{"a.jpg", "with space", "日本.png", ".hidden", "..a", `back\slash`, "-flag", "a\nb"} {
		require.NoError(t, confine.CheckName(good), "%q", good)
	}
	for _, bad := range []string{"", ".", "..", "/", "a/b", "a/", "/a", "../a", "a\x00", strings.Repeat("x/", 1000)} {
		err := confine.CheckName(bad)
		require.ErrorIs(t, err, confine.ErrOutside, "%q", bad)
		require.Less(t, len(err.Error()), 1000)
	}
}

func TestWithoutPath_LeavesTheCauseAlone(t *testing.T) {
	at := filepath.Join(t.TempDir(), "secret")
	_, opened := os.Open(at)
	for _, err := range []error{opened, os.Link(at, at+".2")} {
		require.Error(t, err)
		require.NotContains(t, confine.WithoutPath(fmt.Errorf("keep: %w", err)).Error(), "secret")
		require.ErrorIs(t, confine.WithoutPath(err), os.ErrNotExist)
	}
	require.NoError(t, confine.WithoutPath(nil))
	require.Equal(t, io.EOF, confine.WithoutPath(io.EOF))
}

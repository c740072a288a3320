package operation

import (
	"bytes"
	"context"
	"encoding/gob"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
	"spillway/native/opencv"
)

// files is what an operation with one output, of the input's name, is given.
func (p *place) files(name string) *Files {
	f := &Files{trouble: trouble{p.roots}, request: p.request(name, job.Operation{}), allowed: []string{name}, buffer: new([]byte)}
	p.Cleanup(f.close)
	return f
}

// mount puts a small file system of its own onto output_dir.
func (p *place) mount(flags uintptr) {
	p.Helper()
	require.NoError(p, os.MkdirAll(p.out(""), 0o755))
	if err := unix.Mount("tmpfs", p.out(""), "tmpfs", flags, "size=64k"); err != nil {
		p.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	p.Cleanup(func() { require.NoError(p, unix.Unmount(p.out(""), unix.MNT_DETACH)) })
}

func TestWrite_BadOutputDirSaysWhatWhereAndWhatToDo(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(p *place)
		code job.Code
		says string
		hint string
	}{
		{
			"output_dir is a file", func(p *place) { require.NoError(p, os.WriteFile(p.out(""), nil, 0o644)) },
			job.FailedPrecondition, "output_dir is not a directory", "remove what has that name",
		},
		{
			"output_dir is a link that leads nowhere", func(p *place) { require.NoError(p, os.Symlink("gone", p.out(""))) },
			job.FailedPrecondition, "output_dir is not a directory", "remove what has that name",
		},
		{
			"output_dir leads out of the root", func(p *place) { require.NoError(p, os.Symlink("/tmp", p.out(""))) },
			job.PermissionDenied, "leads out", "below /",
		},
		{"full disk", func(p *place) { p.mount(0) }, job.Unavailable, "disk is full", "another node may have room"},
		{"read-only disk", func(p *place) { p.mount(unix.MS_RDONLY) }, job.FailedPrecondition, "read-only", "writable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPlace(t)
			row.make(p)
			f := p.files("a.png")
			err := f.Write("a.png", make([]byte, 100<<10))
			fails(t, err, row.code, "write output_dir/a.png", row.says, row.hint)
			f.removeAll()
			if info, err := os.Stat(p.out("")); err == nil && info.IsDir() && row.code != job.PermissionDenied {
				require.Empty(t, p.left())
			}
		})
	}
}

// The superuser may write anywhere, so the test takes another user's file
// system rights for a while; they belong to the thread.
func TestFiles_WithoutTheRightSaysSo(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	require.NoError(t, os.Chmod(p.in("a.png"), 0))
	require.NoError(t, os.Mkdir(p.out(""), 0o555))
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if os.Geteuid() == 0 {
		for dir := p.base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(dir, info.Mode()|0o055))
		}
		const nobody = 65534
		_, err := unix.SetfsuidRetUid(nobody)
		require.NoError(t, err)
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	f := p.files("a.png")
	_, err := f.Input()
	fails(t, err, job.PermissionDenied, "read input_dir/a.png", "may not read", "chmod")
	fails(t, f.Write("a.png", nil), job.PermissionDenied, "write output_dir/a.png", "may not write", "chmod")
}

func TestWrite_OnlyWhatWasAnnounced(t *testing.T) {
	p := newPlace(t)
	require.ErrorContains(t, p.files("a.png").Write("b.png", nil), "not announced")
	require.Empty(t, p.left())
}

func TestWrite_ReplacesWhatALostRunLeft(t *testing.T) {
	p := newPlace(t)
	for _, text := range []string{"lost", "new"} {
		require.NoError(t, p.files("a.png").Write("a.png", []byte(text)))
	}
	got, err := os.ReadFile(p.out(TempName("a.png", "token")))
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
	require.Len(t, p.left(), 1)
}

func TestTempName_IsHiddenShortAndOfItsOwn(t *testing.T) {
	long := strings.Repeat("ü", 125) + ".jpeg" // 255 bytes
	names := []string{"a.png", "b.png", long, "", "x\x00y", strings.Repeat("🖼", 60) + ".png"}
	seen := map[string]bool{}
	for _, name := range names {
		for _, token := range []string{"", "1", "2", strings.Repeat("t", 999)} {
			temp := TempName(name, token)
			require.Equal(t, temp, TempName(name, token))
			require.False(t, seen[temp])
			seen[temp] = true
			require.True(t, strings.HasPrefix(temp, "."))
			require.LessOrEqual(t, len(temp), 255)
		}
	}
	p := newPlace(t)
	require.NoError(t, p.files(long).Write(long, []byte("x")))
	require.NoError(t, Commit(p.roots, p.base, []Output{{TempName(long, "token"), long}}))
	require.Equal(t, []string{long}, p.left())
}

func TestTempName_TellsItsJob(t *testing.T) {
	for _, attempt := range []string{"a-1", "b-1", "x/y"} {
		require.True(t, strings.HasPrefix(TempName("a.png", Token("j1", attempt)), job.TempPrefix("j1")))
		require.False(t, strings.HasPrefix(TempName("a.png", Token("j1", attempt)), job.TempPrefix("j10")))
	}
	require.NotEqual(t, TempName("a.png", Token("j1", "a")), TempName("a.png", Token("j2", "a")))
}

func TestCommit_ReplacesTheOldOutputAndLeavesNothingElse(t *testing.T) {
	p := newPlace(t)
	f := p.files("a.png")
	require.NoError(t, f.Write("a.png", []byte("new")))
	require.NoError(t, os.WriteFile(p.out("a.png"), []byte("old"), 0o644))
	require.NoError(t, Commit(p.roots, p.base, f.written))
	got, err := os.ReadFile(p.out("a.png"))
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
	require.Equal(t, []string{"a.png"}, p.left())
}

func TestCommit_RefusalsSayWhyAndLeaveNothing(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.MkdirAll(p.out("a.png"), 0o755))
	f := p.files("a.png")
	require.NoError(t, f.Write("a.png", []byte("new")))
	fails(t, Commit(p.roots, p.base, f.written), job.FailedPrecondition, "write output_dir/a.png", "a directory has that name", "rename")
	require.Equal(t, []string{"a.png"}, p.left())

	fails(t, Commit(p.roots, p.base, []Output{{".gone", "b.png"}}), job.Unavailable, "write output_dir/b.png", "temporary file is gone", ".spillway-")
	fails(t, Commit(p.roots, "/etc", []Output{{".t", "b.png"}}), job.Unavailable, "open /etc", "leads out", "below")
	for _, out := range []Output{{"../input_dir/x", "a.png"}, {".t", "../input_dir/x"}, {"", "a"}, {".t", ""}, {"/etc/passwd", "a"}} {
		require.Equal(t, job.PermissionDenied, job.CodeOf(Commit(p.roots, p.base, []Output{out})), out)
	}
	require.NoError(t, Commit(p.roots, "/etc", nil))
}

func TestDiscard_RemovesWhatTheAttemptLeftAndNothingElse(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, Discard(p.roots, p.base, job.Operation{}, "a.png", "token"), "no output_dir yet")
	require.NoError(t, p.files("a.png").Write("a.png", []byte("half")))
	other := TempName("a.png", "another token")
	require.NoError(t, os.WriteFile(p.out(other), nil, 0o644))
	require.NoError(t, os.WriteFile(p.out("a.png"), nil, 0o644))
	require.NoError(t, Discard(p.roots, p.base, job.Operation{Name: "blur"}, "a.png", "token"))
	require.ElementsMatch(t, []string{other, "a.png"}, p.left())

	require.NoError(t, Discard(p.roots, p.base, job.Operation{}, "a.png", "token"), "twice")
	require.NoError(t, Discard(p.roots, p.base, job.Operation{Name: "nonsense"}, "a.png", "token"))
	require.NoError(t, Discard(p.roots, p.base, job.Operation{}, "../a.png", "token"))
	require.Error(t, Discard(p.roots, "/etc", job.Operation{}, "a.png", "token"))
	require.NoError(t, Discard(p.roots, filepath.Join(p.base, "gone"), job.Operation{}, "a.png", "token"), "it is gone with its folder")
}

// panics is an operation that writes and then breaks.
type panics struct{ none }

func (panics) Run(_ context.Context, f *Files, _ job.Args) error {
	if err := f.Write(f.Name(), []byte("half")); err != nil {
		return err
	}
	panic("on purpose")
}

func TestRun_PanicIsAnErrorWithItsStack(t *testing.T) {
	p := newPlace(t)
	f := p.files("a.png")
	err := run(t.Context(), panics{}, f, nil)
	var panicked *PanicError
	require.ErrorAs(t, err, &panicked)
	require.Contains(t, string(panicked.Stack), "output_test.go")
	fails(t, explain("panics", "a.png", err), job.Internal, "run panics on input_dir/a.png", "panicked: on purpose", "another program")
	require.Len(t, p.left(), 1)
	f.removeAll()
	require.Empty(t, p.left())
}

func TestExplain_NativeTroubleHasItsCode(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		code job.Code
		says string
	}{
		{"no memory in OpenCV", &opencv.Error{Code: -4, Text: "Failed to allocate 300000000 bytes"}, job.Internal, "not enough memory"},
		{"no memory in gocv's words", &opencv.Error{Text: "(-4:Insufficient memory)"}, job.Internal, "not enough memory"},
		{"no memory in C++", &opencv.Error{Text: "std::bad_alloc"}, job.Internal, "not enough memory"},
		{"exception", &opencv.Error{Code: -215, Text: "ksize.width > 0"}, job.Internal, "ksize"},
		{"OpenCV's own limit", &opencv.Error{Code: -215, Text: "pixels <= CV_IO_MAX_IMAGE_PIXELS"}, job.InvalidArgument, "more pixels"},
		{"no OpenCV", opencv.ErrUnavailable, job.Unimplemented, "built without OpenCV"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fails(t, explain("blur", "a.png", row.err), row.code, "run blur on input_dir/a.png", row.says, "")
		})
	}
}

func TestTrouble_ErrorsOfTheDiskSendTheTaskElsewhere(t *testing.T) {
	for _, number := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ESTALE, syscall.ETIMEDOUT} {
		wrapped := &os.PathError{Op: "open", Path: "x", Err: number}
		require.Equal(t, job.Unavailable, trouble{}.read("a", wrapped).Code, number)
		require.Equal(t, job.Unavailable, trouble{}.write("a", wrapped).Code, number)
		require.ErrorIs(t, trouble{}.read("a", wrapped), number)
	}
	for _, number := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		fails(t, trouble{}.write("a", number), job.Unavailable, "write output_dir/a", "full", "another node")
		fails(t, trouble{}.commit("a", number), job.Unavailable, "write output_dir/a", "full", "another node")
	}
}

func TestRequest_SurvivesGob(t *testing.T) {
	var wire bytes.Buffer
	sent := Request{Base: "/b", Name: "絵.png", Token: "t", Operation: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}}}
	require.NoError(t, gob.NewEncoder(&wire).Encode(sent))
	var got Request
	require.NoError(t, gob.NewDecoder(&wire).Decode(&got))
	require.Equal(t, sent, got)
	reply := Reply{Outputs: []Output{{".t", "n"}}, InBytes: 1, OutBytes: 2, Run: 3}
	require.NoError(t, gob.NewEncoder(&wire).Encode(reply))
}

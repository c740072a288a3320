package operation

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// fails checks that err says what, where and what to do.
func fails(t *testing.T, err error, code job.Code, op, cause, hint string) {
	t.Helper()
	require.Error(t, err)
	var e *job.Error
	require.ErrorAs(t, err, &e)
	require.Same(t, e, err, "wrapped")
	require.Equal(t, code, e.Code, e)
	require.Equal(t, op, e.Op)
	require.Contains(t, e.Err.Error(), cause)
	require.Contains(t, e.Hint, hint)
	require.NotEmpty(t, e.Hint)
	require.NotContains(t, job.Describe(err), "\n")
}

func TestExecute_BadInputSaysWhatWhereAndWhatToDo(t *testing.T) {
	link := func(to string) func(*place, string) {
		return func(p *place, name string) { require.NoError(p, os.Symlink(to, p.in(name))) }
	}
	bytes := func(data []byte) func(*place, string) { return func(p *place, name string) { p.put(name, data) } }
	for _, row := range []struct {
		name string
		file string
		make func(p *place, name string)
		code job.Code
		step string
		says string
		hint string
	}{
		{"empty file", "a.jpg", bytes(nil), job.InvalidArgument, "read", "is empty", "copy it again"},
		{"text named .jpg", "a.jpg", bytes([]byte("dear diary")), job.InvalidArgument, "decode", "not a JPEG", "convert it"},
		{"gif named .png", "a.png", bytes([]byte("GIF89a")), job.InvalidArgument, "decode", "not a JPEG", "convert it"},
		{"truncated jpeg", "a.jpg", bytes(aJPEG(t)[:600]), job.DataLoss, "decode", "cut off", "copy it again"},
		{"truncated png", "a.png", bytes(aPNG(t)[:300]), job.DataLoss, "decode", "cut off", "copy it again"},
		{"png bomb", "a.png", bytes(pngHeader(30000, 30000)), job.InvalidArgument, "decode", "30000 × 30000 pixels", "smaller"},
		{"bmp bomb", "a.bmp", bytes(bmpHeader(1<<30, 1<<30)), job.InvalidArgument, "decode", "more than the 100000000", "smaller"},
		{"damaged header", "a.png", bytes(pngHeader(0, 1)), job.DataLoss, "decode", "header is damaged", "save it"},
		{
			"directory", "a.png", func(p *place, name string) { require.NoError(p, os.Mkdir(p.in(name), 0o755)) },
			job.InvalidArgument, "read", "is a directory", "only the files",
		},
		{
			"pipe", "a.png", func(p *place, name string) { require.NoError(p, syscall.Mkfifo(p.in(name), 0o644)) },
			job.InvalidArgument, "read", "not a regular file", "remove it",
		},
		{"dangling link", "a.png", link("gone.png"), job.NotFound, "read", "leads nowhere", "mend the link"},
		{"link in a circle", "a.png", link("a.png"), job.InvalidArgument, "read", "circle", "mend the link"},
		{"vanished file", "a.png", func(*place, string) {}, job.NotFound, "read", "no such file", "put it back"},
		{"link out of the root", "a.png", link("../../../../../../etc/passwd"), job.PermissionDenied, "read", "leads out", "below /"},
		{"absolute link", "a.png", link("/etc/passwd"), job.PermissionDenied, "read", "leads out", "below /"},
		{"giant file", "a.png", func(p *place, name string) {
			p.put(name, nil)
			require.NoError(p, os.Truncate(p.in(name), MaxInputBytes+1))
		}, job.InvalidArgument, "read", "more than the 512", "smaller"},
		{"ending that is no picture's", "a.gif", bytes(aPNG(t)), job.InvalidArgument, "read", `".gif"`, ".jpg"},
		{"no ending", "a", bytes(aPNG(t)), job.InvalidArgument, "read", "ending", ".jpg"},
		{"name too long", strings.Repeat("n", 252) + ".png", func(*place, string) {}, job.InvalidArgument, "read", "too long", "255"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPlace(t)
			row.make(p, row.file)
			_, err := p.run(row.file, job.Operation{})
			fails(t, err, row.code, row.step+" input_dir/"+row.file, row.says, row.hint)
			require.True(t, row.code.Permanent())
			require.Empty(t, p.left())
		})
	}
}

func TestExecute_NameThatIsAPathIsRefused(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"", ".", "..", "../a.png", "/etc/passwd", "b/a.png", "b/../a.png", "a.png/", "a\x00.png"} {
		for _, op := range []string{"edges", "none"} {
			_, err := p.run(name, job.Operation{Name: op})
			require.Equal(t, job.PermissionDenied, job.CodeOf(err), "%q", name)
			require.Contains(t, job.HintOf(err), "below /")
		}
	}
}

func TestExecute_NameWithOddCharactersIsShownEscaped(t *testing.T) {
	p := newPlace(t)
	_, err := p.run("a\n\x1b[31m.png", job.Operation{})
	fails(t, err, job.NotFound, `read "input_dir/a\n\x1b[31m.png"`, "no such file", "put it back")
}

func TestExecute_BadFolderSaysSo(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	request := p.request("a.png", job.Operation{})
	run := func(base string) error {
		request.Base = base
		_, err := p.exec.Execute(context.Background(), request)
		return err
	}
	fails(t, run("/etc"), job.Unavailable, "open /etc", "leads out", "below /")
	fails(t, run(p.base+"/../.."), job.Unavailable, "open "+filepath.Dir(filepath.Dir(p.base)), "leads out", "below /")
	fails(t, run(p.base+"x"), job.Unavailable, "open "+p.base+"x", "no such folder", "check the path")
	fails(t, run(p.in("a.png")), job.Unavailable, "open "+p.in("a.png"), "not a directory", "check the path")

	require.NoError(t, os.Rename(p.in(""), filepath.Join(p.base, "elsewhere")))
	fails(t, run(p.base), job.NotFound, "read input_dir/a.png", "no input_dir", p.base+"/input_dir")
	require.NoError(t, os.WriteFile(p.in(""), nil, 0o644))
	fails(t, run(p.base), job.FailedPrecondition, "read input_dir/a.png", "input_dir is not a directory", "make input_dir")
}

func TestExecute_BadOperationSaysWhatThereIs(t *testing.T) {
	p := newPlace(t)
	_, err := p.run("a.png", job.Operation{Name: "explode"})
	fails(t, err, job.Unimplemented, `operation "explode"`, "no such operation", "edges, grayscale, blur, resize")
	_, err = p.run("a.png", job.Operation{Name: "blur", Params: map[string]string{"kernel": "4"}})
	fails(t, err, job.InvalidArgument, "operation blur", "4 is even", "odd whole number from 1 to 301")
}

func TestExecute_EndedContextIsNotWorkedOn(t *testing.T) {
	p := newPlace(t)
	p.put("a.png", aPNG(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.exec.Execute(ctx, p.request("a.png", job.Operation{}))
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	require.ErrorAs(t, err, new(*job.Error))
	require.Empty(t, p.left())
}

func TestExecute_NoneTouchesNoFile(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.RemoveAll(p.base))
	reply, err := p.run("a.png", job.Operation{Name: "none"})
	require.NoError(t, err)
	require.Zero(t, reply.InBytes+reply.OutBytes)
	require.Empty(t, reply.Outputs)
	require.NoError(t, Discard(p.roots, p.base, job.Operation{Name: "none"}, "a.png", "token"))
}

func TestExecute_LeavesNoOpenFile(t *testing.T) {
	p := newPlace(t)
	p.put("good.png", aPNG(t))
	p.put("bad.png", []byte("bad"))
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	once := func() {
		for _, name := range []string{"good.png", "bad.png", "gone.png", "..", "bad.txt"} {
			_, _ = p.run(name, job.Operation{})
			_ = Discard(p.roots, p.base, job.Operation{}, name, "token")
		}
	}
	once()
	before := open()
	for range 20 {
		once()
	}
	require.Equal(t, before, open())
}

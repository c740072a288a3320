package textport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// points is the face that fakeNative finds, as the protocol writes it.
func points() string {
	var all []string
	for i := range job.FacePoints {
		all = append(all, fmt.Sprintf("(%d,%v)", i, float64(i)/4))
	}
	return strings.Join(all, ", ")
}

func TestPort_EveryRequestHasItsReply(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 1<<20)
	p := r.dial()
	for _, row := range [][2]string{
		{"view job", "no job"},
		{"put file 12.mp4 with length 5\nvideo", "received file 12.mp4 with length 5"},
		{"put file n.txt with length 4\ntext", "received file n.txt with length 4"},
		{"get video metadata for file 12.mp4", "video metadata for file 12.mp4 framerate 29.97, duration 12.5, resolution 640,480"},
		{"get video metadata for file n.txt", "unknown video format for file n.txt"},
		{"get video metadata for file gone.mp4", "file not found for file gone.mp4"},
		{"extract video images with framerate 2 duration 1.5 for file 12.mp4", "video extracted for file 12.mp4 with file sequence 12.0.png 12.1.png 12.2.png"},
		{"extract video images with framerate 2 duration 1.5 for file n.txt", "extract video failed: unknown video format for file n.txt"},
		{"extract video images with framerate 2 duration 1.5 for file gone", "extract video failed: file not found for file gone"},
		{"create video from images with framerate 25, duration 0, for file sequence 12.1.png 12.2.png", "video created with filename 12-2.mp4"},
		{"create video from images with framerate 25, duration 0, for file sequence 12.1.png 12.9.png", "failed to create video"},
		{"detect face for file 12.1.png", "face detected for file 12.1.png with face data points " + points()},
		{"put file 12.9.png with length 7\npicture", "received file 12.9.png with length 7"},
		{"detect face for file 12.9.png", "no face detected for file 12.9.png"},
		{"detect face for file gone.png", "file not found for file gone.png"},
		{"draw mesh for file 12.1.png with face data points " + points(), "mesh drawn for file mesh-12.1.png"},
		{"draw mesh for file 12.8.png with face data points " + points(), "file not found for file mesh-12.8.png"},
		{"delete 12.1.png", "deleted file 12.1.png"},
		{"delete 12.1.png", "file not found for file 12.1.png"},
		{"get file 12.1.png", "retrieve file not found for file 12.1.png"},
		{"delete all files", "temporary directory empty"},
		{"delete 12.mp4", "file not found for file 12.mp4"},
	} {
		require.Equal(t, row[1], p.ask(row[0]), row[0])
	}
}

func TestPort_FilesKeepEveryByte(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 64<<20)
	data := make([]byte, 3<<20+17)
	_, _ = rand.Read(data)
	copy(data, "\nview job\n\x00\r\n") // what a file holds is no request
	for name, between := range map[string]string{"line": "\n", "windows line": "\r\n", "space": " "} {
		p := r.dial()
		p.send(fmt.Sprintf("put file %s with length %d%s", name, len(data), between))
		p.send(string(data))
		require.Equal(t, fmt.Sprintf("received file %s with length %d", name, len(data)), p.reply())
		require.Equal(t, fmt.Sprintf("sent file %s with length %d", name, len(data)), p.ask("get file "+name))
		back := make([]byte, len(data))
		_, err := io.ReadFull(p.in, back)
		require.NoError(t, err)
		require.Equal(t, data, back)
		require.Equal(t, "no job", p.ask("view job"), "and nothing comes behind them")
	}
	p := r.dial()
	require.Equal(t, "received file empty with length 0", p.ask("put file empty with length 0"))
	require.Equal(t, "sent file empty with length 0", p.ask("get file empty"))
	p.send("view job\r\n\n\nview job\nget file empty\n")
	require.Equal(t, []string{"no job", "no job", "sent file empty with length 0"}, []string{p.reply(), p.reply(), p.reply()}, "requests may come at once")
}

func TestPort_WhatIsWrongIsToldAndTheConnectionLives(t *testing.T) {
	r := newRig(t, Config{Line: 2000}, &fakeNative{}, 1000)
	p := r.dial()
	for _, row := range []struct{ name, send, want string }{
		{"unknown", "make coffee", "error: there is no such request; write: view job"},
		{"case", "View Job", "error: there is no such request"},
		{"binary", "\x00\xff\x1b[2J", "error: there is no such request"},
		{"no name", "delete ", "error: the file's name is missing"},
		{"path", "delete ../secret", "error: file name ../secret: it has a slash"},
		{"folder", "get file ..", "error: file name ..: it is a folder's"},
		{"absolute", "get video metadata for file /etc/passwd", "error: file name /etc/passwd: it has a slash"},
		{"NUL", "detect face for file a\x00b", `error: file name "a\x00b": it has a control character`},
		{"long name", "get file " + strings.Repeat("x", 251), "error: file name " + strings.Repeat("x", 80) + ": it has 251 bytes"},
		{"sequence", "create video from images with framerate 1, duration 1, for file sequence a.1.png ../b.png", "error: file name ../b.png: it has a slash"},
		{"long line", "view job" + strings.Repeat(" ", 5000), "error: the request is too long: more than 2000 bytes"},
		{"put elsewhere", "put file ../x with length 5\nhello", "error: file name ../x: it has a slash"},
		{"no length", "put file x", "error: the file's name or its length is missing; write: put file F with length N"},
		{"negative length", "put file x with length -5", "error: the length is no whole number of bytes"},
		{"giant length", "put file x with length 99999999999999999999", "error: the length is no whole number of bytes"},
		{"over the quota", "put file x with length 1001\n" + strings.Repeat("x", 1001), "error: put x: its 1001 bytes are more than"},
		{"rate", "extract video images with framerate 0 duration 1 for file x", "error: frame rate 0: it is no number from 0.001 to 1000"},
		{"duration", "extract video images with framerate 1 duration -1 for file x", "error: the duration is no number of seconds"},
		{"no sequence", "create video from images with framerate 1, duration 1, for file sequence ", "error: the file sequence is missing"},
		{"67 points", "draw mesh for file x with face data points " + strings.TrimSuffix(points(), ", (67,16.75)"), "error: a face has 68 data points, not 67"},
		{"69 points", "draw mesh for file x with face data points " + points() + ", (1,2)", "error: a face has 68 data points, not more"},
		{"infinite points", "draw mesh for file x with face data points " + strings.Repeat("(inf,nan), ", 68), "error: face data points: point 68 is nowhere in a picture"},
		{"no points", "draw mesh for file x with face data points (1,2", "error: the face data points are no list of (x,y)"},
	} {
		got := p.ask(row.send)
		require.True(t, strings.HasPrefix(got, row.want), "%s: %s", row.name, got)
		require.NotContains(t, got, "\x1b")
		require.Equal(t, "no job", p.ask("view job"), row.name)
	}
	all, err := r.desk.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	require.Zero(t, r.space.Used())
}

func TestParse_TimesAreWhatTheySay(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "-0": 0, "1e-12": 1, "0.5": 5e8, "1.5,": 15e8, "1e9": 1e18} {
		r, err := parse("extract video images with framerate 25 duration " + text + " for file a for file b")
		require.NoError(t, err, text)
		require.Equal(t, want, r.duration, text)
		require.Equal(t, "a for file b", r.name)
	}
	for _, text := range []string{"inf", "nan", "-1", "1e300", "1e10", "", "1s"} {
		_, err := parse("extract video images with framerate 25 duration " + text + " for file a")
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), text)
	}
}

func TestPort_AWrongLengthCostsOneError(t *testing.T) {
	r := newRig(t, Config{Stall: 50 * time.Millisecond}, &fakeNative{}, 1000)
	p := r.dial()
	require.Equal(t, "received file x with length 3", p.ask("put file x with length 3\nhel"))
	require.Equal(t, "received file x with length 3", p.ask("put file x with length 3\nhello"))
	require.Contains(t, p.reply(), "error: there is no such request", "the rest is taken for one")
	require.Equal(t, "error: put file x: only 6 of 10 bytes came; nothing of it is kept", p.ask("put file x with length 10\nhello"), "too long")
	require.Equal(t, "sent file x with length 3", p.ask("get file x"), "what was there stays")
	back := make([]byte, 3)
	_, err := io.ReadFull(p.in, back)
	require.NoError(t, err)
	p.send("view")
	require.Equal(t, "error: half a request: its line did not end", p.reply())
	require.Equal(t, "no job", p.ask("view job"))
	require.Contains(t, p.ask("put file y with length 5000\nhello"), "error: put ")
	require.Equal(t, "error: 4994 bytes of a file did not come", p.reply())
	require.Equal(t, "no job", p.ask("view job"))
	require.Equal(t, int64(3), r.space.Used())
}

func TestPort_AConnectionThatEndsEarlyLeavesNothing(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 1000)
	for send, want := range map[string]string{
		"put file x with length 10\nhello": "error: put file x: only 5 of 10 bytes came; nothing of it is kept",
		"put file x with length 10":        "error: half a request: its line did not end",
		"delete important.1":               "error: half a request: its line did not end",
	} {
		p := r.dial()
		p.send(send)
		require.NoError(t, p.nc.CloseWrite())
		require.Equal(t, want, p.reply())
		p.ends()
	}
	p := r.dial()
	p.send("put file x with length 10\nhello")
	require.NoError(t, p.nc.SetLinger(0))
	require.NoError(t, p.nc.Close())
	require.Eventually(t, func() bool { return r.space.Used() == 0 }, time.Minute, time.Millisecond)
	require.Equal(t, "no job", r.dial().ask("view job"))
}

func TestPort_AFullDiskIsTold(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 20)
	p := r.dial()
	require.Equal(t, "received file v.mp4 with length 5", p.ask("put file v.mp4 with length 5\nvideo"))
	require.Equal(t, "extract video failed: local disk storage full", p.ask("extract video images with framerate 10 duration 1 for file v.mp4"))
	require.Contains(t, p.ask("put file w with length 16\n0123456789abcdef"), "the node's workspace is full: 5 of 20 bytes are in use")
	require.Equal(t, "no job", p.ask("view job"))
	require.Equal(t, int64(5), r.space.Used())
}

func TestPort_TellsWhatTheNodeWorksOn(t *testing.T) {
	entered := make(chan struct{})
	r := newRig(t, Config{Grace: time.Millisecond}, &fakeNative{hold: func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}}, 1000)
	p, q := r.dial(), r.dial()
	require.Equal(t, "received file 12.7.png with length 4", p.ask("put file 12.7.png with length 4\nface"))
	p.send("detect face for file 12.7.png\n")
	<-entered
	require.Equal(t, "processing 12 7", q.ask("view job"))
	r.leave()
	require.Equal(t, "error: the node stops; the request was given up", p.reply(), "the grace ends it")
	p.ends()
	r.stop()
}

func TestPort_StopsWhenItsRequestsAreDone(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	r := newRig(t, Config{Grace: time.Hour}, &fakeNative{hold: func(context.Context) error {
		close(entered)
		<-goOn
		return nil
	}}, 1000)
	busy, idle, half := r.dial(), r.dial(), r.dial()
	require.Equal(t, "received file f.png with length 4", busy.ask("put file f.png with length 4\nface"))
	require.Equal(t, "no job", half.ask("view job"))
	require.Equal(t, "no job", idle.ask("view job"))
	half.send("put file h with length 100\nhello")
	busy.send("detect face for file f.png\nview job\n")
	<-entered
	require.Eventually(t, func() bool { return r.space.Used() == 104 }, time.Minute, time.Millisecond)
	r.leave()
	idle.ends()
	require.Equal(t, "error: put file h: the node stops; nothing of it is kept", half.reply())
	half.ends()
	close(goOn)
	require.Contains(t, busy.reply(), "face detected for file f.png")
	busy.ends()
	r.stop()
}

func TestPort_ConnectionsAreBounded(t *testing.T) {
	r := newRig(t, Config{Conns: 2}, &fakeNative{}, 1000)
	a, b := r.dial(), r.dial()
	require.Equal(t, "no job", a.ask("view job"))
	require.Equal(t, "no job", b.ask("view job"))
	c := r.dial()
	require.Equal(t, "error: 2 connections are open, try again later", c.reply())
	c.ends()
	require.NoError(t, a.nc.Close())
	require.Eventually(t, func() bool {
		d := r.dial()
		defer d.nc.Close()
		d.send("view job\n")
		return d.reply() == "no job"
	}, time.Minute, time.Millisecond)
}

func TestPort_APeerThatSaysNothingIsLeft(t *testing.T) {
	r := newRig(t, Config{Idle: 20 * time.Millisecond}, &fakeNative{}, 1000)
	r.dial().ends()
}

func TestPort_APeerThatDoesNotReadIsLeft(t *testing.T) {
	r := newRig(t, Config{Stall: 50 * time.Millisecond, Conns: 1}, &fakeNative{}, 64<<20)
	require.NoError(t, r.desk.Receive(t.Context(), "big", 32<<20, strings.NewReader(strings.Repeat("x", 32<<20))))
	p := r.dial()
	require.NoError(t, p.nc.SetReadBuffer(4096))
	p.send("get file big\n")
	require.Eventually(t, func() bool {
		q := r.dial()
		defer q.nc.Close()
		q.send("view job\n")
		return q.reply() == "no job"
	}, time.Minute, 5*time.Millisecond, "its place is free again")
}

func TestPort_ABrowserCannotDriveIt(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 1000)
	p := r.dial()
	require.Equal(t, "received file x with length 1", p.ask("put file x with length 1\nx"))
	q := r.dial()
	q.send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 17\r\n\r\ndelete all files\n")
	require.Equal(t, "error: this is no web server", q.reply())
	_, _ = io.ReadAll(q.in) // it is closed with bytes that nobody read
	require.Equal(t, "deleted file x", p.ask("delete x"))
}

func TestPort_APanicCostsItsConnection(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{hold: func(context.Context) error { panic("fault") }}, 1000)
	p := r.dial()
	require.Equal(t, "received file x with length 1", p.ask("put file x with length 1\nx"))
	require.Equal(t, "error: the node has a fault; see its log", p.ask("detect face for file x"))
	p.ends()
	require.Equal(t, "no job", r.dial().ask("view job"))
}

func TestPort_CausesThatTheProtocolHasNoWordsForAreTold(t *testing.T) {
	native := &fakeNative{fail: job.E(job.Internal, "", errors.New("its process died"), "check the file")}
	r := newRig(t, Config{}, native, 1000)
	p := r.dial()
	require.Equal(t, "received file x with length 5", p.ask("put file x with length 5\nvideo"))
	require.Equal(t, "error: its process died; check the file", p.ask("get video metadata for file x"))
	require.Equal(t, "extract video failed: its process died; check the file", p.ask("extract video images with framerate 1 duration 1 for file x"))
	require.Equal(t, "failed to create video", p.ask("create video from images with framerate 1, duration 1, for file sequence x"))
	require.Equal(t, "error: its process died; check the file", p.ask("draw mesh for file x with face data points "+points()))
}

func TestPort_ManyPeersAtOnce(t *testing.T) {
	r := newRig(t, Config{}, &fakeNative{}, 1<<20)
	var wg sync.WaitGroup
	for i := range 32 {
		p := r.dial()
		wg.Go(func() {
			for n := range 20 {
				name := fmt.Sprintf("%d.%d.png", i, n)
				data := strings.Repeat(name, n)
				p.send(fmt.Sprintf("put file %s with length %d\n%sget file %s\ndelete %s\n", name, len(data), data, name, name))
				p.reply()
				p.reply()
				back := make([]byte, len(data))
				if _, err := io.ReadFull(p.in, back); err != nil || string(back) != data || p.reply() != "deleted file "+name {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(filepath.Join(r.space.Path(), "files"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"view job", "put file F with length 5", "get file F", "get video metadata for file F", "extract video images with framerate 25 duration 1 for file F",
		"create video from images with framerate 25, duration 1, for file sequence a b", "detect face for file F", "draw mesh for file F with face data points " + points(),
		"delete F", "delete all files", "put file  with length  with length 5", "draw mesh for file F with face data points (((", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parse(line)
		if err != nil {
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.NotContains(t, job.Describe(err), "\n")
			return
		}
		for _, name := range append(r.names, r.name) {
			if name != "" {
				require.NoError(t, job.CheckFileName(name))
			}
		}
		require.NotEmpty(t, r.verb)
		require.GreaterOrEqual(t, r.size, int64(0))
		require.GreaterOrEqual(t, r.duration, time.Duration(0))
		require.True(t, r.face == nil || len(r.face) == job.FacePoints)
		require.False(t, math.IsNaN(r.rate.Float()))
	})
}

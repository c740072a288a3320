package files

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestDesk_FilesGoInAndOutInPieces(t *testing.T) {
	d, _ := open(t, 10<<20, &fakeNative{})
	data := strings.Repeat("0123456789abcdef", 100_000)
	size := int64(len(data))
	for offset := int64(0); offset < size; offset += job.ChunkBytes {
		end := min(size, offset+job.ChunkBytes)
		p := job.Piece{Name: "a.bin", Size: size, Offset: offset, Data: []byte(data[offset:end])}
		if p.Last() {
			p.Sum = sum(data)
		}
		at, err := d.PutOffset(t.Context(), "a.bin", size)
		require.NoError(t, err)
		require.Equal(t, offset, at)
		require.Empty(t, names(t, d), "it is not seen before it is whole")
		require.NoError(t, d.Put(t.Context(), p))
	}
	var back strings.Builder
	for int64(back.Len()) < size {
		p, err := d.Get(t.Context(), "a.bin", int64(back.Len()))
		require.NoError(t, err)
		require.NoError(t, p.Check())
		back.Write(p.Data)
		if p.Last() {
			require.Equal(t, sum(data), p.Sum)
		}
	}
	require.Equal(t, data, back.String())
	put(t, d, "a.bin", "new")
	require.Equal(t, "new", got(t, d, "a.bin"), "and its sum is not the old one's")
	put(t, d, "empty", "")
	require.Empty(t, got(t, d, "empty"))
	require.Equal(t, []string{"a.bin", "empty"}, names(t, d))
}

func TestDesk_ReceivesAllOrNothing(t *testing.T) {
	d, space := open(t, 100, &fakeNative{})
	put(t, d, "f", "old")
	broken := errors.New("the line broke")
	err := d.Receive(t.Context(), "f", 6, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abcdef"))))
	require.ErrorIs(t, err, iotest.ErrTimeout)
	err = d.Receive(t.Context(), "f", 6, iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	require.Equal(t, "old", got(t, d, "f"))
	require.Equal(t, job.Unimplemented, job.CodeOf(d.Receive(t.Context(), "f", 1000, strings.NewReader("x"))), "more than the quota")
	require.Equal(t, job.InvalidArgument, job.CodeOf(d.Receive(t.Context(), "../f", 1, strings.NewReader("x"))))
	for _, err := range []error{
		d.Receive(t.Context(), "f", 1000, strings.NewReader("x")),
		d.Put(t.Context(), job.Piece{Name: "f", Size: 1000, Data: []byte("x")}),
		d.Put(t.Context(), job.Piece{Name: "f", Size: 9, Offset: 4, Data: []byte("x")}),
	} {
		require.Regexp(t, "^put f: ", err.Error(), "its name, and not its place")
	}
	require.NoError(t, d.Receive(t.Context(), "f", 6, strings.NewReader("abcdef and more")))
	require.Equal(t, "abcdef", got(t, d, "f"))
	require.NoError(t, d.Receive(t.Context(), "empty", 0, strings.NewReader("")))
	require.Empty(t, leftovers(t, space))
	require.Equal(t, int64(6), space.Used())
}

func TestDesk_DeletesWhatIsThere(t *testing.T) {
	d, space := open(t, 1000, &fakeNative{})
	require.NoError(t, space.Put("guest/input_dir/a", 1, 0, []byte("a")))
	put(t, d, "a", "1")
	put(t, d, "b", "2")
	require.NoError(t, d.Delete(t.Context(), "a"))
	require.Equal(t, job.NotFound, job.CodeOf(d.Delete(t.Context(), "a")))
	require.NoError(t, d.Put(t.Context(), job.Piece{Name: "half", Size: 10, Data: []byte("12")}))
	require.NoError(t, d.Delete(t.Context(), "half"), "one that is not whole, too")
	require.NoError(t, d.DeleteAll(t.Context()))
	require.Empty(t, names(t, d))
	require.NoError(t, d.DeleteAll(t.Context()), "twice")
	require.Equal(t, int64(1), space.Used(), "the files of a task stay")
}

func TestDesk_HostileNamesAndPiecesAreRefused(t *testing.T) {
	d, _ := open(t, 1000, &fakeNative{})
	ctx := t.Context()
	for _, name := range []string{"", "..", "../x", "/x", "a/b", "a\x00", "a\n", strings.Repeat("x", 300)} {
		errs := []error{d.Put(ctx, job.Piece{Name: name, Sum: sum("")}), d.Delete(ctx, name)}
		_, err := d.PutOffset(ctx, name, 1)
		errs = append(errs, err)
		_, err = d.Get(ctx, name, 0)
		errs = append(errs, err)
		_, err = d.Metadata(ctx, name)
		errs = append(errs, err)
		_, err = d.Extract(ctx, job.Extraction{Name: name})
		errs = append(errs, err)
		_, err = d.Create(ctx, job.Creation{Names: []string{name}})
		errs = append(errs, err)
		_, err = d.DetectFace(ctx, name)
		errs = append(errs, err)
		_, err = d.DrawMesh(ctx, name, face())
		errs = append(errs, err)
		for i, err := range errs {
			require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%q, %d: %v", name, i, err)
		}
	}
	put(t, d, "f", "abc")
	for _, offset := range []int64{-1, 3, 4, math.MaxInt64} {
		_, err := d.Get(ctx, "f", offset)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), offset)
	}
	large := make([]byte, job.ChunkBytes+1)
	for _, p := range []job.Piece{
		{Name: "g", Size: int64(len(large)), Data: large, Sum: sum(string(large))},
		{Name: "g", Size: -1},
		{Name: "g", Size: 2, Offset: 1, Data: []byte("xy")},
		{Name: "g", Size: 1, Data: []byte("x")},
	} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(d.Put(ctx, p)))
	}
}

func TestDesk_VideoBecomesPicturesAndAVideoAgain(t *testing.T) {
	native := &fakeNative{frames: 3}
	d, space := open(t, 1000, native)
	put(t, d, "my clip.avi", "video")
	frames, err := d.Extract(t.Context(), job.Extraction{Name: "my clip.avi"})
	require.NoError(t, err)
	require.Equal(t, []string{"my_clip.0.png", "my_clip.1.png", "my_clip.2.png"}, frames)
	require.Equal(t, "frame 2", got(t, d, "my_clip.2.png"))
	later, err := d.Extract(t.Context(), job.Extraction{Name: "my clip.avi", From: 3e8})
	require.NoError(t, err)
	require.Equal(t, "my_clip.3.png", later[0], "0.3 s at 10 pictures a second")

	video, err := d.Create(t.Context(), job.Creation{Names: frames})
	require.NoError(t, err)
	require.Equal(t, "my_clip.mp4", video)
	require.Equal(t, job.Rate{Num: 25, Den: 1}, native.asked.Rate)
	require.Equal(t, filepath.Join(space.Path(), shelf, frames[0]), native.asked.Names[0])
	again, err := d.Create(t.Context(), job.Creation{Names: frames[:1], Audio: "my clip.avi"})
	require.NoError(t, err)
	require.Equal(t, "my_clip-2.mp4", again, "what has the name stays")
	require.Equal(t, "video of 3", got(t, d, video))
	named, err := d.Create(t.Context(), job.Creation{Names: frames[:2], Output: video})
	require.NoError(t, err)
	require.Equal(t, video, named)
	require.Equal(t, "video of 2", got(t, d, video), "but where it is asked for")
	require.Empty(t, leftovers(t, space))

	for name, c := range map[string]job.Creation{
		"none": {}, "negative": {Names: frames, Duration: -1}, "rate": {Names: frames, Rate: job.Rate{Num: -1, Den: 1}},
		"kind": {Names: frames, Output: "x.exe"}, "path": {Names: frames, Output: "../x.mp4"},
	} {
		_, err := d.Create(t.Context(), c)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), name)
	}
	_, err = d.Create(t.Context(), job.Creation{Names: []string{"gone.1.png"}})
	require.Equal(t, job.NotFound, job.CodeOf(err))
	_, err = d.Extract(t.Context(), job.Extraction{Name: "gone.avi"})
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func TestDesk_AFaceGetsItsMesh(t *testing.T) {
	d, _ := open(t, 1000, &fakeNative{})
	put(t, d, "12.1.png", "picture")
	points, err := d.DetectFace(t.Context(), "12.1.png")
	require.NoError(t, err)
	require.Len(t, points, 68)
	mesh, err := d.DrawMesh(t.Context(), "12.1.png", points)
	require.NoError(t, err)
	require.Equal(t, "mesh-12.1.png", mesh)
	require.Equal(t, "mesh", got(t, d, mesh))
	points[5].X = math.NaN()
	for _, bad := range [][]job.Point{nil, points[:67], points} {
		_, err = d.DrawMesh(t.Context(), "12.1.png", bad)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
	_, err = d.DrawMesh(t.Context(), "gone.png", face())
	require.Equal(t, job.NotFound, job.CodeOf(err))
	put(t, d, "notes.txt", "text")
	_, err = d.DetectFace(t.Context(), "notes.txt")
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func TestDesk_WhatFillsTheWorkspaceIsStoppedAndGone(t *testing.T) {
	for name, frames := range map[string]int{"while it writes": 30, "at its end": 5} {
		t.Run(name, func(t *testing.T) {
			d, space := open(t, 4000, &fakeNative{frames: frames, big: true})
			put(t, d, "clip.avi", "video")
			_, err := d.Extract(t.Context(), job.Extraction{Name: "clip.avi"})
			require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
			require.Contains(t, job.HintOf(err), "--workspace-quota")
			require.Equal(t, []string{"clip.avi"}, names(t, d))
			require.Empty(t, leftovers(t, space))
			require.Equal(t, int64(5), space.Used())
		})
	}
}

func TestDesk_TellsWhatItWorksOn(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	d, _ := open(t, 1000, &fakeNative{wait: func(context.Context) error {
		entered <- struct{}{}
		<-goOn
		return nil
	}})
	put(t, d, "12.7.png", "picture")
	none, err := d.View(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	end := d.Begin("a.1.png", "edges")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = d.DetectFace(t.Context(), "12.7.png") })
	<-entered
	all, err := d.View(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a.1.png", all[0].File)
	require.Equal(t, "detect_face", all[1].Operation)
	video, frame := all[1].Frame()
	require.Equal(t, "12", video)
	require.Equal(t, int64(7), frame)
	end()
	close(goOn)
	wg.Wait()
	none, err = d.View(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestDesk_CallsBeyondTheSlotsWaitAsLongAsTheirCaller(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	d, space := open(t, 1000, &fakeNative{wait: func(ctx context.Context) error {
		entered <- struct{}{}
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return ctx.Err()
	}})
	put(t, d, "f.png", "picture")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = d.DrawMesh(t.Context(), "f.png", face()) })
		<-entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Metadata(ctx, "f.png")
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	close(goOn)
	wg.Wait()
	require.NoFileExists(t, filepath.Join(space.Path(), bench, "1"))
	_, err = os.Stat(filepath.Join(space.Path(), shelf, "f.png"))
	require.NoError(t, err)
}

func TestDesk_WhatAnAbandonedCallWritesLateIsRemoved(t *testing.T) {
	d, space := open(t, 1000, &fakeNative{})
	put(t, d, "f", "1")
	late := filepath.Join(space.Path(), bench, "7")
	require.NoError(t, os.MkdirAll(late, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(late, "1.png"), []byte("x"), 0o600))
	for _, elsewhere := range []string{"", "/", "/etc", space.Path(), filepath.Join(space.Path(), shelf), filepath.Join(space.Path(), bench, "..", shelf)} {
		d.Abandoned(elsewhere)
	}
	require.Equal(t, "1", got(t, d, "f"))
	require.DirExists(t, late)
	d.Abandoned(late)
	require.NoDirExists(t, late)
}

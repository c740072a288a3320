package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"spillway/bench/load"
	"spillway/job"
)

func TestMedia_ReadsItsPartsAndFlags(t *testing.T) {
	c, err := parseMedia(nil)
	require.NoError(t, err)
	require.Contains(t, c.parts, "faces")
	c, err = parseMedia([]string{"faces", "--pairs", "2", "--pictures", "3"})
	require.NoError(t, err)
	require.Equal(t, mediaConfig{parts: []string{"faces"}, photos: "data/input_dir", pictures: 3, clip: defaultClip, song: defaultSong, pairs: 2}, c)
	_, err = parseMedia([]string{"--help"})
	require.ErrorIs(t, err, pflag.ErrHelp)
	for _, args := range [][]string{{"smells"}, {"--pairs", "0"}, {"--pictures", "-1"}, {"--pictures", "x"}, {"--what"}} {
		_, err := parseMedia(args)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%v", args)
		require.Contains(t, job.HintOf(err), "bench media --help")
	}
}

// turn is one in which ours took so many seconds, and the plain program ten.
func turn(ours float64) load.Turn {
	return load.Turn{
		Count: 20, Plain: []load.Took{{Time: 10 * time.Second, CPU: 20 * time.Second}},
		Ours: load.Took{Time: time.Duration(ours * float64(time.Second)), CPU: 21 * time.Second},
	}
}

func TestMedia_TheTurnInTheMiddleDecides(t *testing.T) {
	line, err := mediaLine("faces", "faces", 0.95, []load.Turn{turn(40), turn(10), turn(9)})
	require.NoError(t, err)
	require.Contains(t, line, "faces ok ratio=1.000 target=0.95 spillway=1.0/s plain=2.0/s cpu=1050.0ms plain_cpu=1000.0ms faces=60 turns=3")
	line, err = mediaLine("video", "frames", 0.95, []load.Turn{turn(10), turn(20)})
	require.ErrorIs(t, err, errShort, "between two, half way: 0.75")
	require.Contains(t, line, "video short ratio=0.750")
}

func TestMedia_SoundTellsOfAllCoresAndMemory(t *testing.T) {
	both := turn(5)
	both.Plain = append(both.Plain, load.Took{Time: 4 * time.Second})
	line, err := soundLine(load.SongTurns{Turns: []load.Turn{both}, Peak: 70 << 20})
	require.NoError(t, err)
	require.Contains(t, line, "sound ok ratio=2.000 target=1.00")
	require.Contains(t, line, "all_cores_ratio=0.800 node_peak=70MiB")
	line, err = soundLine(load.SongTurns{Turns: []load.Turn{both}, Peak: 501 << 20})
	require.ErrorIs(t, err, errShort)
	require.Contains(t, line, "sound short ratio=2.000", "a node has more memory than it may")
}

func TestMedia_ThePlainPipelineIsToldWhatItDoes(t *testing.T) {
	for _, want := range []load.PlainPipeline{{In: "a", Out: "b"}, {In: "a", Out: "planes", Planes: true}} {
		got, ok := load.ParsePlainPipeline(want.Args())
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, args := range [][]string{nil, {"a"}, {"a", "b", "c"}} {
		_, ok := load.ParsePlainPipeline(args)
		require.False(t, ok, "%v", args)
	}
	c, err := parseMedia([]string{"video", "--planes"})
	require.NoError(t, err)
	require.True(t, c.planes)
}

package job_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestSongStream_ItsNoteSaysAll(t *testing.T) {
	s := job.SongStream{Stream: 1, Rate: 44100, Channels: 2}
	got, ok := job.ParseSongStream(s.Note())
	require.True(t, ok)
	require.Equal(t, s, got)
	part := job.Part{File: "a.mp3", Number: 1, Of: 2, To: 5, Count: 5, Note: s.Note()}
	again, ok := job.ParsePart(part.Name())
	require.True(t, ok)
	require.Equal(t, part, again)
	for _, note := range []string{"", "-", "0:0:2", "-1:8000:2", "0:8000", "0:8000:2 ", "0:8000:02"} {
		_, ok := job.ParseSongStream(note)
		require.False(t, ok, note)
	}
}

func TestSongOutputs_AreNamedByStemAndFormat(t *testing.T) {
	info := job.OperationInfo{Name: job.Stems, Params: job.SongParams(job.Stems)}
	args, err := info.Check(job.Operation{Params: map[string]string{"format": "mp3"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a.b.vocals.mp3", "a.b.drums.mp3", "a.b.bass.mp3", "a.b.other.mp3"}, job.SongOutputs(job.Stems, "a.b.flac", args))
	require.Equal(t, []string{"a.karaoke.mp3"}, job.SongOutputs(job.Karaoke, "a.ogg", args))
}

func TestForNodes_OnlyTheWordBecomesTheNumber(t *testing.T) {
	asked := job.Operation{Name: job.Stems, Params: map[string]string{"chunks": job.PerNode, "format": "mp3"}}
	require.Equal(t, "stems:chunks=3,format=mp3", asked.ForNodes(3).String())
	require.Equal(t, "stems:chunks=64,format=mp3", asked.ForNodes(1000).String())
	require.Equal(t, "stems:chunks=nodes,format=mp3", asked.String(), "what was asked stays as it was")
	for _, other := range []job.Operation{
		{Name: job.Karaoke, Params: map[string]string{"chunks": "5"}},
		{Name: job.Karaoke, Params: map[string]string{"seconds": job.PerNode}},
		{Name: "blur", Params: map[string]string{"chunks": job.PerNode}},
		{Name: job.Stems},
	} {
		require.Equal(t, other, other.ForNodes(3))
	}
}

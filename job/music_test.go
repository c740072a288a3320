package job_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestMusic_TracksAreCountedOverAllSongs(t *testing.T) {
	require.Equal(t, []job.Track{{1, "vocals"}, {2, "drums"}, {3, "bass"}, {4, "other"}}, job.Music{ID: 1}.Tracks())
	require.EqualValues(t, 9, job.Music{ID: 3}.Tracks()[0].ID)
}

func TestMusic_ChoiceTakesItsOwnTracksAlone(t *testing.T) {
	m := job.Music{ID: 2}
	mix, err := m.Choice([]int64{8, 5, 8})
	require.NoError(t, err)
	require.Equal(t, job.Mix(0b1001), mix)
	require.Equal(t, "final-9.mp3", mix.File())
	require.True(t, mix.Has(3))
	require.False(t, mix.Has(1))
	for _, id := range []int64{4, 9, 0, -5, math.MaxInt64, math.MinInt64} {
		_, err := m.Choice([]int64{5, id})
		require.Equal(t, job.NotFound, job.CodeOf(err), id)
	}
	_, err = m.Choice(nil)
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func TestMusic_IsDueUntilTheMixIsWhatWasAsked(t *testing.T) {
	m := job.Music{ID: 1}
	require.False(t, m.Due() || m.Done())
	m.Chosen = 3
	require.True(t, m.Due())
	m.Separated, m.Mixed = true, 1
	require.True(t, m.Due())
	m.Err = &job.Error{Code: job.Internal}
	require.False(t, m.Due())
	m.Mixed, m.Err = 3, nil
	require.True(t, m.Done())
	require.False(t, m.Due())
}

func TestMusicPart_JobsHaveIDsOfTheirOwnThatLeadBack(t *testing.T) {
	seen := map[int64]bool{}
	for _, p := range []job.MusicPart{{Music: 1, Number: 1}, {Music: 1, Number: job.MaxSongParts}, {Music: 2, Number: 1}, {Music: 7, Number: 13, Bytes: 5, Took: 4 * time.Second}} {
		var sum time.Duration
		for i, j := range p.Jobs() {
			require.False(t, seen[j.ID])
			seen[j.ID] = true
			music, number := job.PartOfMusicJob(j.ID)
			require.Equal(t, p.Music, music)
			require.Equal(t, p.Number, number)
			require.Equal(t, job.Music{ID: p.Music}.Tracks()[i].ID, j.Track)
			sum += j.Took
		}
		require.Equal(t, p.Took, sum)
	}
	for _, id := range []int64{0, -1, math.MinInt64, math.MaxInt64} {
		require.NotPanics(t, func() { job.PartOfMusicJob(id) })
	}
}

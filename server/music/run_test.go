package music

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestRun_TakesASongApartOnceAndMixesEachChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		song := r.song()
		require.Zero(t, r.music.Percent(song))
		now := r.choose(song.ID, 0b0011)
		require.Equal(t, job.Stems, r.hands.jobs[now.Job].spec.Operation.Name)
		require.Equal(t, filepath.Join(r.dir, "1"), r.hands.jobs[now.Job].spec.Source)
		require.Zero(t, r.music.Percent(now))
		r.hands.part(now.Job, 1)
		require.Equal(t, 45, r.music.Percent(r.now(song.ID)))
		parts, err := r.music.Parts(t.Context())
		require.NoError(t, err)
		require.Equal(t, []job.MusicPart{{Music: 1, Number: 1, Bytes: 750}, {Music: 1, Number: 2, Bytes: 250, Took: 2 * time.Second}}, parts)

		now = r.choose(song.ID, 0b0111) // while it goes on
		r.hands.part(now.Job, 0)
		require.Equal(t, 89, r.music.Percent(r.now(song.ID)), "its tracks are not joined yet")
		_, err = r.music.Open(t.Context(), song.ID, "vocals.wav")
		require.Equal(t, job.NotFound, job.CodeOf(err))
		r.hands.end(t, now.Job)
		now = r.now(song.ID)
		require.True(t, now.Done())
		require.Equal(t, 100, r.music.Percent(now))
		require.Equal(t, 1, r.mixes, "what is not wanted any more is not mixed")
		r.holds(song.ID, "vocals.wav", "song.vocals.wav")
		r.holds(song.ID, "final-7.mp3", "3")

		require.True(t, r.choose(song.ID, 0b0001).Done())
		r.holds(song.ID, "final-1.mp3", "1")
		require.True(t, r.choose(song.ID, 0b0111).Done())
		require.Equal(t, 2, r.mixes, "a mix that is there is not made again")
		require.Equal(t, 1, r.hands.submits, "the song is taken apart once")
		for _, name := range []string{"", ".", "..", "../1/final-7.mp3", "final-0.mp3", "final-16.mp3", "final-8.mp3", "song.mp3", "input_dir", "vocals.mp3"} {
			_, err := r.music.Open(t.Context(), song.ID, name)
			require.Equal(t, job.NotFound, job.CodeOf(err), name)
		}
	})
}

func TestRun_GoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		song := r.song()
		id := r.choose(song.ID, 1).Job
		r.stop()
		require.NoError(t, os.Mkdir(filepath.Join(r.dir, "77"), 0o755))
		require.NoError(t, os.Mkdir(filepath.Join(r.dir, job.HiddenPrefix+"half"), 0o755))
		require.NoError(t, os.Mkdir(filepath.Join(r.dir, "other"), 0o755))
		r.start()
		defer func() { r.stop() }()
		require.Equal(t, id, r.now(song.ID).Job, "it is the same job")
		require.NoDirExists(t, filepath.Join(r.dir, "77"))
		require.NoDirExists(t, filepath.Join(r.dir, job.HiddenPrefix+"half"))
		require.DirExists(t, filepath.Join(r.dir, "other"), "what is not ours stays")
		require.Len(t, r.hands.jobs, 1)
		r.hands.end(t, id)
		require.True(t, r.now(song.ID).Done())
	})
}

func TestRun_TellsWhyAJobFailedAndTriesAgainWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		song := r.song()
		first := r.choose(song.ID, 1).Job
		r.hands.set(first, func(o *order) {
			o.now.State = job.Failed
			o.now.Failures = []job.Failure{{Name: "song.mp3", Err: job.E(job.DataLoss, "read", errors.New("it is cut off"), "mend it")}}
		})
		now := r.now(song.ID)
		require.ErrorContains(t, now.Err, "cut off")
		require.False(t, now.Due())
		now = r.choose(song.ID, 1)
		require.Nil(t, now.Err)
		require.NotEqual(t, first, now.Job)
		r.hands.end(t, now.Job)
		require.True(t, r.now(song.ID).Done())
	})
}

func TestRun_ASongThatNoNodeTakesWaitsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		song := r.song()
		now := r.choose(song.ID, 1)
		r.hands.part(now.Job, 0)
		r.hands.set(now.Job, func(o *order) {
			o.now.State, o.now.Err = job.Failed, job.E(job.DeadlineExceeded, "job", errors.New("no node is there"), "")
		})
		time.Sleep(time.Minute)
		again := r.now(song.ID)
		require.Nil(t, again.Err)
		require.Equal(t, now.Job, again.Job, "what is done of it is kept")
		r.hands.part(now.Job, 1)
		r.hands.end(t, now.Job)
		require.True(t, r.now(song.ID).Done())
	})
}

func TestRun_AJobThatFailsHasAnotherForWhatWasChosenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		song := r.song()
		first := r.choose(song.ID, 1).Job
		require.Equal(t, first, r.choose(song.ID, 2).Job)
		r.hands.set(first, func(o *order) { o.now.State = job.Failed })
		now := r.now(song.ID)
		require.Nil(t, now.Err)
		require.NotEqual(t, first, now.Job)
		r.hands.end(t, now.Job)
		require.True(t, r.now(song.ID).Done())
	})
}

func TestRun_WaitsForAServiceThatIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		r.hands.refuseWith(job.E(job.ResourceExhausted, "", errors.New("too many jobs"), ""))
		song := r.song()
		require.Nil(t, r.choose(song.ID, 1).Err)
		r.hands.refuseWith(nil)
		time.Sleep(again + time.Second)
		now := r.now(song.ID)
		require.Equal(t, 1, r.hands.submits)
		r.hands.end(t, now.Job)
		require.True(t, r.now(song.ID).Done())
	})
}

func TestRun_MoreSongsThanAreWorkedOnAtOnceWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		for range 6 {
			r.choose(r.song().ID, 1)
		}
		require.Len(t, r.hands.jobs, 4)
		r.hands.end(t, r.now(1).Job)
		r.now(1)
		require.Len(t, r.hands.jobs, 5)
	})
}

func TestReset_CancelsWhatRunsAndRemovesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		idle, busy := r.song(), r.song()
		id := r.choose(busy.ID, 1).Job
		require.NoError(t, r.music.Reset(t.Context()))
		require.Equal(t, []job.ID{id}, r.hands.cancels)
		songs, err := r.music.Songs(t.Context())
		require.NoError(t, err)
		require.Empty(t, songs)
		parts, err := r.music.Parts(t.Context())
		require.NoError(t, err)
		require.Empty(t, parts)
		entries, err := os.ReadDir(r.dir)
		require.NoError(t, err)
		require.Empty(t, entries)
		require.Equal(t, job.NotFound, job.CodeOf(r.music.Choose(t.Context(), idle.ID, 1)))

		next := r.song()
		require.Greater(t, next.ID, busy.ID)
		r.hands.end(t, r.choose(next.ID, 1).Job)
		require.True(t, r.now(next.ID).Done(), "the loop goes on")
	})
}

func TestReset_ThatIsGivenUpRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer func() { r.stop() }()
		song := r.song()
		r.choose(song.ID, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, r.music.Reset(ctx))
		now := r.now(song.ID)
		r.hands.end(t, now.Job)
		require.True(t, r.now(song.ID).Done(), "what was stopped goes on")
	})
}

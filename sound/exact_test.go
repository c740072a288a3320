package sound_test

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// stereo is the format of the songs that these tests make.
var stereo = sound.Format{Rate: rate, Channels: 2}

// tape gives samples, at most so many at a time where most is set.
type tape struct {
	samples []float32
	most    int
	err     error // comes after the samples; nil: io.EOF
}

func (s *tape) Read(p []float32) (int, error) {
	if len(s.samples) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	if s.most > 0 && len(p) > s.most {
		p = p[:s.most]
	}
	n := copy(p, s.samples)
	s.samples = s.samples[n:]
	return n, nil
}

type stems = sound.Block

// separate gives the stems of a chunk of a song.
func separate(tb testing.TB, f sound.Format, c sound.Chunk, song []float32) stems {
	tb.Helper()
	end := min(c.End, int64(len(song)/f.Channels))
	source := &tape{samples: song[c.Start*int64(f.Channels) : end*int64(f.Channels)]}
	got, err := collect(f, c, source)
	require.NoError(tb, err)
	return got
}

func collect(f sound.Format, c sound.Chunk, in sound.Source) (stems, error) {
	var got stems
	err := sound.Masks{}.Separate(context.Background(), f, c, in, func(b sound.Block) error {
		for s := range got {
			got[s] = append(got[s], b[s]...)
		}
		return nil
	})
	return got, err
}

// noise is a song of everything: two channels that have something in common.
func noise(moments, channels int) []float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	song := make([]float32, moments*channels)
	for i := range moments {
		common := rng.Float64() - 0.5 + math.Sin(float64(i)/20)
		for c := range channels {
			song[i*channels+c] = float32(0.3*common + 0.2*(rng.Float64()-0.5))
		}
	}
	return song
}

func TestMasks_ChunksJoinedAreTheWholeBitByBit(t *testing.T) {
	for _, row := range []struct {
		name    string
		format  sound.Format
		moments int
		length  int64
		nodes   int
	}{
		{"even cuts", stereo, rate, 20480, 0},
		{"cuts beside every grid", stereo, rate, 17041, 0},
		{"shorter than a frame", stereo, 9000, 1000, 0},
		{"two nodes", stereo, 60001, 0, 2},
		{"three nodes, mono", sound.Format{Rate: 48000, Channels: 1}, 90001, 0, 3},
		{"8 kHz", sound.Format{Rate: 8000, Channels: 2}, 20001, 4999, 0},
		{"192 kHz", sound.Format{Rate: 192000, Channels: 2}, 300000, 0, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			song := noise(row.moments, row.format.Channels)
			whole := separate(t, row.format, sound.Whole(), song)
			margin := sound.Masks{}.Context(row.format.Rate)
			chunks := sound.Plan(int64(row.moments), row.length, margin)
			if row.nodes > 0 {
				chunks = sound.PlanFor(row.nodes, int64(row.moments), margin)
				require.Len(t, chunks, row.nodes)
			}
			var joined stems
			for _, c := range chunks {
				part := separate(t, row.format, c, song)
				for s := range part {
					require.Len(t, part[s], int(c.Len())*row.format.Channels)
					joined[s] = append(joined[s], part[s]...)
				}
			}
			for s := range whole {
				require.Len(t, whole[s], len(song))
				require.Equal(t, bitsOf(whole[s]), bitsOf(joined[s]), sound.Stem(s))
			}
		})
	}
}

func bitsOf(samples []float32) []uint32 {
	bits := make([]uint32, len(samples))
	for i, x := range samples {
		bits[i] = math.Float32bits(x)
	}
	return bits
}

// A context that is one hop short changes the result: the one that is promised is
// needed.
func TestMasks_LessContextIsNotEnough(t *testing.T) {
	song := noise(2*rate, 2)
	whole := separate(t, stereo, sound.Whole(), song)
	margin := sound.Masks{}.Context(rate) - 2048
	c := sound.Plan(2*rate, rate, margin)[1]
	require.NotEqual(t, whole[sound.Drums][2*c.From:2*c.To], separate(t, stereo, c, song)[sound.Drums])
}

func TestMasks_StemsAddUpToTheSong(t *testing.T) {
	for _, channels := range []int{1, 2} {
		for _, moments := range []int{1, 2, 1023, 1024, 4097, 60000} {
			t.Run(strconv.Itoa(channels)+" × "+strconv.Itoa(moments), func(t *testing.T) {
				song := noise(moments, channels)
				got := separate(t, sound.Format{Rate: rate, Channels: channels}, sound.Whole(), song)
				sum := sound.Mix(nil, got, sound.Gains{1, 1, 1, 1})
				require.Len(t, sum, len(song))
				for i := range song {
					if math.Abs(float64(sum[i]-song[i])) > 1e-6 {
						require.InDelta(t, song[i], sum[i], 1e-6, i)
					}
				}
			})
		}
	}
}

func TestMasks_MonoIsStereoWithTheSameOnBothSides(t *testing.T) {
	song := noise(30000, 1)
	double := make([]float32, 0, 2*len(song))
	for _, x := range song {
		double = append(double, x, x)
	}
	mono := separate(t, sound.Format{Rate: rate, Channels: 1}, sound.Whole(), song)
	both := separate(t, stereo, sound.Whole(), double)
	for s := range mono {
		for i, x := range mono[s] {
			if x != both[s][2*i] || x != both[s][2*i+1] {
				require.InDelta(t, x, both[s][2*i], 1e-6)
				require.InDelta(t, x, both[s][2*i+1], 1e-6)
			}
		}
	}
}

func TestMasks_OddSoundIsDefined(t *testing.T) {
	for _, r := range []int{1, 7, 8000, 11025, 44100, 192000, sound.MaxRate} {
		got := separate(t, sound.Format{Rate: r, Channels: 2}, sound.Whole(), make([]float32, 5000))
		for s := range got {
			require.Len(t, got[s], 5000)
			require.Zero(t, loudest(got[s]), "silence at %d Hz", r)
		}
	}
	require.Empty(t, separate(t, stereo, sound.Whole(), nil)[sound.Vocals])

	wild := noise(9000, 2)
	tamed := noise(9000, 2)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	wild[4000], tamed[4000] = nan, 0
	wild[4001], tamed[4001] = inf, 1e4
	wild[4002], tamed[4002] = -math.MaxFloat32, -1e4
	require.Equal(t, separate(t, stereo, sound.Whole(), tamed), separate(t, stereo, sound.Whole(), wild))
}

func TestMasks_SourcesMayGiveLittleAtATime(t *testing.T) {
	song := noise(9001, 2)
	got, err := collect(stereo, sound.Whole(), &tape{samples: song, most: 14})
	require.NoError(t, err)
	require.Equal(t, separate(t, stereo, sound.Whole(), song), got)
}

func TestMasks_ErrorsAreTold(t *testing.T) {
	_, err := collect(sound.Format{Rate: rate, Channels: 6}, sound.Whole(), &tape{})
	require.ErrorIs(t, err, sound.ErrFormat)
	_, err = collect(sound.Format{}, sound.Whole(), &tape{})
	require.ErrorIs(t, err, sound.ErrFormat)
	_, err = collect(stereo, sound.Chunk{From: 5, To: 3, End: 9}, &tape{})
	require.Error(t, err)
	_, err = collect(stereo, sound.Chunk{To: 100, End: 200}, &tape{samples: make([]float32, 198)})
	require.ErrorIs(t, err, sound.ErrCut)
	broken := errors.New("the disk broke")
	_, err = collect(stereo, sound.Whole(), &tape{samples: make([]float32, 20000), err: broken})
	require.ErrorIs(t, err, broken)

	full := errors.New("the disk is full")
	err = sound.Masks{}.Separate(t.Context(), stereo, sound.Whole(), &tape{samples: noise(90000, 2)}, func(sound.Block) error { return full })
	require.ErrorIs(t, err, full)
	ctx, cancel := context.WithCancel(t.Context())
	blocks := 0
	err = sound.Masks{}.Separate(ctx, stereo, sound.Whole(), &tape{samples: noise(90000, 2)}, func(sound.Block) error {
		blocks++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, blocks)
}

package operation

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

const songRate = 22050

// melody is a song of some tones here and there, and beats.
func melody(moments, channels int) []float32 {
	song := make([]float32, moments*channels)
	for i := range moments {
		t := float64(i) / songRate
		for c := range channels {
			tone := math.Sin(2*math.Pi*440*t) + math.Sin(2*math.Pi*(80+3*float64(c))*t) + float64(c)*math.Sin(2*math.Pi*1500*t)
			beat := math.Exp(-30*math.Mod(t, 0.4)) * math.Sin(float64(i*i%977))
			song[i*channels+c] = float32(0.1 * (tone + beat))
		}
	}
	return song
}

// putWAV writes an input of 16 bits a sample, and returns the samples that it holds.
func (p *place) putWAV(name string, samples []float32, channels int) []float32 {
	p.Helper()
	file, err := os.Create(p.in(name))
	require.NoError(p, err)
	defer file.Close()
	w, err := sound.NewWAVWriter(file, sound.Format{Rate: songRate, Channels: channels}, sound.PCM16)
	require.NoError(p, err)
	require.NoError(p, w.Write(samples))
	require.NoError(p, w.Finish())
	got, _ := p.samples(p.in(name))
	return got
}

// size is how large all outputs are.
func (p *place) size() (all int64) {
	p.Helper()
	for _, name := range p.left() {
		info, err := os.Stat(p.out(name))
		require.NoError(p, err)
		all += info.Size()
	}
	return all
}

// samples reads a WAV file.
func (p *place) samples(path string) ([]float32, sound.Format) {
	p.Helper()
	data, err := os.ReadFile(path)
	require.NoError(p, err)
	r, err := sound.NewWAVReader(bytes.NewReader(data))
	require.NoError(p, err)
	samples := make([]float32, int(r.Moments)*r.Format.Channels)
	n, err := r.Read(samples)
	if err != nil {
		require.ErrorIs(p, err, io.EOF)
	}
	require.Len(p, samples, n)
	return samples, r.Format
}

// needFFmpeg skips a test where FFmpeg is not installed.
func needFFmpeg(t *testing.T) {
	t.Helper()
	if err := (ffmpeg.Programs{}).Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
}

func runFFmpeg(t *testing.T, args string, path string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(strings.Fields("-v error -nostdin -y "+args), path)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestStems_WAVBecomesFourFilesThatAddUp(t *testing.T) {
	for _, channels := range []int{1, 2} {
		p := newPlace(t)
		song := p.putWAV("a song.wav", melody(30000, channels), channels)
		reply, err := p.run("a song.wav", job.Operation{Name: job.Stems})
		require.NoError(t, err)
		require.Len(t, reply.Outputs, 4)
		require.Equal(t, p.size(), reply.OutBytes, "all outputs count")
		require.Equal(t, []string{"a song.bass.wav", "a song.drums.wav", "a song.other.wav", "a song.vocals.wav"}, p.left())
		sum := make([]float32, len(song))
		for _, stem := range sound.Stems() {
			got, format := p.samples(p.out("a song." + stem.String() + ".wav"))
			require.Equal(t, sound.Format{Rate: songRate, Channels: channels}, format)
			require.Len(t, got, len(song))
			for i, x := range got {
				sum[i] += x
			}
		}
		require.InDeltaSlice(t, song, sum, 3.0/(1<<15), "each stem is rounded to 16 bits")
	}
}

func TestKaraoke_GainsSayWhatIsInTheMix(t *testing.T) {
	p := newPlace(t)
	song := p.putWAV("a.wav", melody(30000, 2), 2)
	run := func(params map[string]string) []float32 {
		params["depth"] = "float"
		_, err := p.run("a.wav", job.Operation{Name: job.Karaoke, Params: params})
		require.NoError(t, err)
		require.Equal(t, []string{"a.karaoke.wav"}, p.left())
		got, _ := p.samples(p.out("a.karaoke.wav"))
		return got
	}
	require.InDeltaSlice(t, song, run(map[string]string{"vocals": "1"}), 1e-6, "all stems are the song")
	without := run(map[string]string{})
	voice := run(map[string]string{"vocals": "1", "drums": "0", "bass": "0", "other": "0"})
	require.NotEqual(t, song, without)
	for i := range without {
		without[i] += voice[i]
	}
	require.InDeltaSlice(t, song, without, 1e-6)
}

// What the parts hold, one after another, is what the whole song holds.
func TestStems_SegmentsHoldWhatTheWholeHolds(t *testing.T) {
	p := newPlace(t)
	const moments = 50001
	p.putWAV("a.wav", melody(moments, 2), 2)
	_, err := p.run("a.wav", job.Operation{Name: job.Stems})
	require.NoError(t, err)
	parts := []job.Part{
		{File: "a.wav", Number: 1, Of: 3, From: 0, To: 17000, Count: 17000, Note: "0:22050:2"},
		{File: "a.wav", Number: 2, Of: 3, From: 17000, To: 31007, Count: 14007, Note: "0:22050:2"},
		{File: "a.wav", Number: 3, Of: 3, From: 31007, To: 49900, Count: 18893, Note: "0:22050:2"}, // the plan is a little short
	}
	tracks := make([][]float32, sound.StemCount)
	for _, part := range parts {
		reply, err := p.run(part.Name(), job.Operation{Name: job.Stems})
		require.NoError(t, err)
		require.Len(t, reply.Outputs, 1)
		woven, format := p.samples(p.out(reply.Outputs[0].Name))
		require.Equal(t, sound.Format{Rate: songRate, Channels: 8}, format)
		one := make([][]float32, sound.StemCount)
		sound.Unweave(one, woven, 2)
		for i := range tracks {
			tracks[i] = append(tracks[i], one[i]...)
		}
	}
	for i, name := range job.StemNames() {
		require.Equal(t, sound.Stem(i).String(), name)
		whole, _ := p.samples(p.out("a." + name + ".wav"))
		require.Len(t, whole, 2*moments)
		require.Equal(t, whole, tracks[i], name)
	}
}

func TestStems_ManyChannelsAndOddRatesAreDefined(t *testing.T) {
	needFFmpeg(t)
	for name, args := range map[string]string{
		"six.flac": "-f lavfi -i sine=d=1:r=48000 -ac 6", "six.wav": "-f lavfi -i sine=d=1:r=48000 -ac 6",
		"low.wav": "-f lavfi -i sine=d=1:r=8000 -ac 2", "high.flac": "-f lavfi -i sine=d=1:r=192000 -ac 2",
		"one.wav": "-f lavfi -i sine=r=44100 -ac 2 -af atrim=end_sample=1",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			runFFmpeg(t, args, p.in(name))
			_, err := p.run(name, job.Operation{Name: job.Stems})
			require.NoError(t, err)
			_, format := p.samples(p.out(stem(name) + ".other.wav"))
			require.Equal(t, 2, format.Channels)
		})
	}
}

func TestStems_BadSongsAreNamedAndLeaveNothing(t *testing.T) {
	needFFmpeg(t)
	p := newPlace(t)
	p.putWAV("good.wav", melody(30000, 2), 2)
	good, err := os.ReadFile(p.in("good.wav"))
	require.NoError(t, err)
	p.put("cut.wav", good[:len(good)/2])
	p.putWAV("empty.wav", nil, 2)
	p.put("nothing.mp3", nil)
	p.put("words.mp3", []byte("these are words, renamed"))
	runFFmpeg(t, "-f lavfi -i testsrc2=d=1", p.in("silent.mp4"))
	runFFmpeg(t, "-f lavfi -i sine=d=20 -c:a flac", p.in("whole.flac"))
	flac, err := os.ReadFile(p.in("whole.flac"))
	require.NoError(t, err)
	p.put("cut.flac", flac[:len(flac)/2])
	for _, row := range []struct {
		name string
		code job.Code
		says string
	}{
		{"cut.wav", job.DataLoss, "cut off"},
		{"cut.flac", job.DataLoss, "cut off"},
		{"empty.wav", job.InvalidArgument, "no sound"},
		{"nothing.mp3", job.InvalidArgument, "empty"},
		{"words.mp3", job.InvalidArgument, "not a video or sound"},
		{"silent.mp4", job.InvalidArgument, "no audio"},
		{"gone.wav", job.NotFound, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := p.run(row.name, job.Operation{Name: job.Stems})
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, row.says)
			require.NotEmpty(t, job.HintOf(err))
			require.Empty(t, p.left())
		})
	}
}

func TestStems_CancelledLeavesNothing(t *testing.T) {
	for _, format := range []string{"wav", "mp3"} {
		t.Run(format, func(t *testing.T) {
			p := newPlace(t)
			name := "a.wav"
			p.putWAV(name, melody(100000, 2), 2)
			if format == "mp3" {
				needFFmpeg(t)
				name = "b.flac"
				runFFmpeg(t, "-f lavfi -i sine=d=20", p.in(name))
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			op := song{job.Stems, "", cancelling{sound.Masks{}, cancel}}
			args := job.Args{"format": format, "depth": "16"}
			f := &Files{trouble: trouble{roots: p.roots}, request: p.request(name, job.Operation{Name: job.Stems}), allowed: op.Outputs(name, args)}
			defer f.close()
			require.ErrorIs(t, run(ctx, op, f, args), context.Canceled)
			f.removeAll()
			require.Empty(t, p.left())
		})
	}
}

// cancelling ends the context in the middle of a song.
type cancelling struct {
	sound.Masks
	cancel context.CancelFunc
}

func (c cancelling) Separate(ctx context.Context, f sound.Format, chunk sound.Chunk, in sound.Source, out func(sound.Block) error) error {
	return c.Masks.Separate(ctx, f, chunk, in, func(b sound.Block) error {
		c.cancel()
		return out(b)
	})
}

func TestSongChunk_AHostileRangeIsRefused(t *testing.T) {
	p := newPlace(t)
	p.putWAV("a.wav", melody(1000, 2), 2)
	for _, part := range []job.Part{
		{File: "a.wav", Number: 1, Of: 2, From: 1 << 62, To: math.MaxInt64, Count: 1, Note: "0:22050:2"},
		{File: "a.wav", Number: 2, Of: 2, From: math.MaxInt64, To: math.MaxInt64, Note: "0:22050:2"},
		{File: "a.wav", Number: 1, Of: 2, From: math.MinInt64, To: 5, Note: "0:22050:2"},
	} {
		_, err := p.run(part.Name(), job.Operation{Name: job.Stems})
		require.Error(t, err)
		require.Empty(t, p.left())
	}
}

package sound_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// cpu is the processor time that this process has used: a better measure than the
// clock on a machine that does other things too.
func cpu(b *testing.B) time.Duration {
	var use syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func drop(sound.Block) error { return nil }

// BenchmarkSeparate is a minute of a song: whole in one goroutine, and in chunks, so
// many at once as there are cores. song-s/s is seconds of song a second of the clock, and
// song-s/cpu-s those a second of one core.
func BenchmarkSeparate(b *testing.B) {
	const seconds = 60
	song := noise(seconds*rate, 2)
	report := func(b *testing.B, before time.Duration) {
		b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "song-s/s")
		b.ReportMetric(seconds*float64(b.N)/(cpu(b)-before).Seconds(), "song-s/cpu-s")
	}
	b.Run("whole", func(b *testing.B) {
		before := cpu(b)
		for b.Loop() {
			require.NoError(b, sound.Masks{}.Separate(b.Context(), stereo, sound.Whole(), &tape{samples: song}, drop))
		}
		report(b, before)
	})
	for _, length := range []int64{5, 15, 30} {
		b.Run("chunks of "+strconv.FormatInt(length, 10)+"s", func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				inChunks(b, song, sound.Plan(seconds*rate, length*rate, sound.Masks{}.Context(rate)))
			}
			report(b, before)
		})
	}
}

// inChunks separates chunks, so many at once as there are cores.
func inChunks(b *testing.B, song []float32, chunks []sound.Chunk) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, c := range chunks {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := (sound.Masks{}).Separate(b.Context(), stereo, c, &tape{samples: song[2*c.Start : 2*c.End]}, drop); err != nil {
				b.Error(err)
			}
		})
	}
	wait.Wait()
}

// BenchmarkFigures reports what each stem reaches on twenty seconds of the song of
// [play], in dB, and what the mix itself would.
func BenchmarkFigures(b *testing.B) {
	for name, wet := range map[string]bool{"dry": false, "wet": true} {
		b.Run(name, func(b *testing.B) {
			song := play(20, wet)
			var got stems
			for b.Loop() {
				got = separate(b, stereo, sound.Whole(), song.mix)
			}
			for _, stem := range sound.Stems() {
				b.ReportMetric(siSDR(got[stem], song.stems[stem]), stem.String()+"-dB")
				b.ReportMetric(siSDR(song.mix, song.stems[stem]), stem.String()+"-mix-dB")
			}
			truth := sound.Mix(nil, song.stems, sound.Karaoke())
			b.ReportMetric(siSDR(sound.Mix(nil, got, sound.Karaoke()), truth), "karaoke-dB")
			b.ReportMetric(siSDR(song.mix, truth), "karaoke-mix-dB")
		})
	}
}

// BenchmarkJoin joins a minute of the four stems, as segments hold them.
func BenchmarkJoin(b *testing.B) {
	part := writeWAV(b, sound.Format{Rate: rate, Channels: 8}, sound.PCM16, noise(60*rate, 8))
	tracks := make([][]float32, sound.StemCount)
	before := cpu(b)
	for b.Loop() {
		r, err := sound.NewWAVReader(bytes.NewReader(part))
		require.NoError(b, err)
		var writers [sound.StemCount]*sound.WAVWriter
		for s := range writers {
			writers[s], err = sound.NewWAVWriter(discard{}, stereo, sound.PCM16)
			require.NoError(b, err)
		}
		chunks := []sound.Chunk{{To: 60 * rate, End: 60 * rate}}
		require.NoError(b, sound.Join(b.Context(), 8, chunks, func(int) (sound.Source, error) { return r, nil }, func(woven []float32) error {
			sound.Unweave(tracks, woven, 2)
			for s, w := range writers {
				if err := w.Write(tracks[s]); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	b.ReportMetric(60*float64(b.N)/(cpu(b)-before).Seconds(), "song-s/cpu-s")
}

// discard is a file that nobody reads.
type discard struct{}

func (discard) Write(p []byte) (int, error)    { return len(p), nil }
func (discard) Seek(int64, int) (int64, error) { return 0, nil }

// hour is an hour of the same half second.
type hour struct {
	song []float32
	left int64
}

func (h *hour) Read(p []float32) (int, error) {
	if h.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, h.song[:min(int64(len(h.song)), h.left)])
	h.left -= int64(n)
	return n, nil
}

// BenchmarkHour is an hour of song, from samples to four WAV files; peak-MB is the most
// memory that the process ever had. Run it alone: -bench Hour -benchtime 1x.
func BenchmarkHour(b *testing.B) {
	for b.Loop() {
		var writers [sound.StemCount]*sound.WAVWriter
		for s := range writers {
			file, err := os.Create(b.TempDir() + "/" + sound.Stem(s).String() + ".wav")
			require.NoError(b, err)
			defer file.Close()
			writers[s], err = sound.NewWAVWriter(file, stereo, sound.PCM16)
			require.NoError(b, err)
		}
		in := &hour{song: noise(rate/2, 2), left: 2 * 3600 * rate}
		require.NoError(b, sound.Masks{}.Separate(context.Background(), stereo, sound.Whole(), in, func(blocks sound.Block) error {
			for s, w := range writers {
				if err := w.Write(blocks[s]); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, w := range writers {
			require.NoError(b, w.Finish())
			require.EqualValues(b, 3600*rate, w.Moments())
		}
	}
	b.ReportMetric(3600*float64(b.N)/b.Elapsed().Seconds(), "song-s/s")
	b.ReportMetric(peak(b), "peak-MB")
}

// peak is the most memory that the process has had, in MB.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("this system does not tell")
	}
	lines := bytes.Split(status, []byte("\n"))
	at := slices.IndexFunc(lines, func(line []byte) bool { return bytes.HasPrefix(line, []byte("VmHWM:")) })
	kib, err := strconv.Atoi(strings.Fields(string(lines[at]))[1])
	require.NoError(b, err)
	return float64(kib) / 1000
}

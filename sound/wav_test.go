package sound_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// writeWAV makes a file and gives its bytes.
func writeWAV(tb testing.TB, f sound.Format, e sound.Encoding, samples []float32) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "a.wav")
	file, err := os.Create(path)
	require.NoError(tb, err)
	defer file.Close()
	w, err := sound.NewWAVWriter(file, f, e)
	require.NoError(tb, err)
	require.NoError(tb, w.Write(samples))
	require.NoError(tb, w.Finish())
	data, err := os.ReadFile(path)
	require.NoError(tb, err)
	return data
}

func readWAV(data []byte) ([]float32, *sound.WAVReader, error) {
	r, err := sound.NewWAVReader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	var all []float32
	buffer := make([]float32, 37*r.Format.Channels)
	for {
		n, err := r.Read(buffer)
		all = append(all, buffer[:n]...)
		if errors.Is(err, io.EOF) {
			return all, r, nil
		}
		if err != nil {
			return all, r, err
		}
	}
}

func TestWAV_GivesBackWhatWasWritten(t *testing.T) {
	for encoding, step := range map[sound.Encoding]float64{sound.PCM16: 1 << 15, sound.PCM24: 1 << 23, sound.PCM32: 1 << 24, sound.Float32: math.Inf(1)} {
		for _, channels := range []int{1, 2, 3, 8} {
			song := noise(1000, channels)
			got, r, err := readWAV(writeWAV(t, sound.Format{Rate: 96000, Channels: channels}, encoding, song))
			require.NoError(t, err)
			require.Equal(t, sound.Format{Rate: 96000, Channels: channels}, r.Format)
			require.Equal(t, encoding, r.Encoding)
			require.EqualValues(t, 1000, r.Moments)
			require.InDeltaSlice(t, song, got, 0.5/step)
		}
	}
}

func TestWAV_LoudSamplesAreCutAndSilenceIsWhole(t *testing.T) {
	nan := float32(math.NaN())
	for _, encoding := range []sound.Encoding{sound.PCM16, sound.PCM24, sound.PCM32} {
		got, _, err := readWAV(writeWAV(t, sound.Format{Rate: 8000, Channels: 1}, encoding, []float32{2, -2, nan, 1, -1}))
		require.NoError(t, err)
		require.InDeltaSlice(t, []float32{1, -1, 0, 1, -1}, got, 1.0/(1<<15))
	}
	got, r, err := readWAV(writeWAV(t, stereo, sound.PCM16, nil))
	require.NoError(t, err)
	require.Empty(t, got)
	require.Zero(t, r.Moments)
}

// riff makes a file of chunks by hand.
func riff(kind string, chunks ...string) []byte {
	body := "WAVE"
	for i := 0; i < len(chunks); i += 2 {
		body += chunks[i] + string(binary.LittleEndian.AppendUint32(nil, uint32(len(chunks[i+1])))) + chunks[i+1]
		if len(chunks[i+1])%2 == 1 {
			body += "\x00"
		}
	}
	return []byte(kind + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body)
}

func form(tag, channels, bits int) string {
	little := binary.LittleEndian
	b := little.AppendUint16(little.AppendUint16(nil, uint16(tag)), uint16(channels))
	b = little.AppendUint32(little.AppendUint32(b, 8000), uint32(8000*channels*bits/8))
	return string(little.AppendUint16(little.AppendUint16(b, uint16(channels*bits/8)), uint16(bits)))
}

func TestWAVReader_OtherWritersFilesAreRead(t *testing.T) {
	got, r, err := readWAV(riff("RIFF", "LIST", "odd", "fmt ", form(1, 1, 8), "data", "\x80\x00\xff"))
	require.NoError(t, err)
	require.Equal(t, []float32{0, -1, 127.0 / 128}, got)
	require.EqualValues(t, 3, r.Moments)

	double := string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.25)))
	got, _, err = readWAV(riff("RIFF", "fmt ", form(3, 1, 64), "data", double, "LIST", "more"))
	require.NoError(t, err)
	require.Equal(t, []float32{0.25}, got)

	piped := riff("RIFF", "fmt ", form(1, 1, 16), "data", "\x00\x40\x00\xc0\x07")
	binary.LittleEndian.PutUint32(piped[40:], math.MaxUint32) // FFmpeg could not go back
	got, r, err = readWAV(piped[:len(piped)-1])
	require.NoError(t, err)
	require.Equal(t, []float32{0.5, -0.5}, got, "half a sample at the end is dropped")
	require.EqualValues(t, -1, r.Moments)
}

func TestWAVReader_HostileHeadersAreNamed(t *testing.T) {
	huge := riff("RIFF", "fmt ", form(1, 1, 16), "data", "ab")
	binary.LittleEndian.PutUint32(huge[40:], 0xFFFFFFF0) // ten hours of it
	endless := bytes.Repeat([]byte("JUNK\x00\x00\x00\x00"), 5000)
	longForm := riff("RIFF", "fmt ", form(1, 1, 16))
	binary.LittleEndian.PutUint32(longForm[16:], 1<<31)
	valid := writeWAV(t, stereo, sound.PCM16, noise(100, 2))
	for _, row := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, sound.ErrFormat},
		{"words", []byte("this is a text file, renamed to a.wav"), sound.ErrFormat},
		{"another RIFF", []byte("RIFF\x04\x00\x00\x00AVI "), sound.ErrFormat},
		{"big endian", riff("RIFX", "fmt ", form(1, 1, 16), "data", ""), sound.ErrFormat},
		{"compressed", riff("RIFF", "fmt ", form(2, 1, 4), "data", ""), sound.ErrFormat},
		{"no channels", riff("RIFF", "fmt ", form(1, 0, 16), "data", ""), sound.ErrFormat},
		{"65,535 channels", riff("RIFF", "fmt ", form(1, 65535, 16), "data", ""), sound.ErrFormat},
		{"half a form", riff("RIFF", "fmt ", "\x01\x00", "data", ""), sound.ErrDamaged},
		{"no form", riff("RIFF", "data", "ab"), sound.ErrDamaged},
		{"a form of 2 GiB", longForm, sound.ErrDamaged},
		{"wrong size of a moment", riff("RIFF", "fmt ", form(1, 1, 16)[:12]+"\x09\x00\x10\x00", "data", ""), sound.ErrDamaged},
		{"chunks without end", append([]byte("RIFF\x00\x00\x00\x00WAVE"), endless...), sound.ErrDamaged},
		{"cut in the header", valid[:50], sound.ErrCut},
		{"cut in the samples", valid[:len(valid)-3], sound.ErrCut},
		{"a claim of 4 GiB", huge, sound.ErrCut},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := readWAV(row.data)
			require.ErrorIs(t, err, row.want)
		})
	}
	broken := errors.New("the disk broke")
	_, err := sound.NewWAVReader(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	_, err = sound.NewWAVWriter(nil, sound.Format{}, sound.PCM16)
	require.ErrorIs(t, err, sound.ErrFormat)
}

func FuzzWAVReader(f *testing.F) {
	f.Add(writeWAV(f, stereo, sound.PCM24, noise(10, 2)))
	f.Add(riff("RF64", "ds64", "0123456789abcdef", "fmt ", form(3, 2, 64), "data", "0123456789abcdef"))
	f.Fuzz(func(t *testing.T, data []byte) {
		samples, r, err := readWAV(data)
		if err == nil {
			require.Zero(t, len(samples)%r.Format.Channels)
			require.LessOrEqual(t, len(samples), len(data))
		}
	})
}

func TestFloats_ReadsWholeMoments(t *testing.T) {
	song := noise(100, 2)
	data := sound.AppendFloats(nil, song)
	in := sound.Floats(iotest.HalfReader(bytes.NewReader(data)), 2)
	require.NoError(t, sound.Skip(in, 2, 60))
	rest := make([]float32, 101)
	n, err := in.Read(rest)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, song[120:], rest[:n])
	require.ErrorIs(t, sound.Skip(in, 2, 1), sound.ErrCut)
	require.ErrorIs(t, sound.Skip(sound.Floats(bytes.NewReader(data), 2), 2, 1<<62), sound.ErrCut)

	_, err = sound.Floats(bytes.NewReader(data[:len(data)-1]), 2).Read(make([]float32, 500))
	require.ErrorIs(t, err, sound.ErrCut)
}

// join joins parts that are WAV files.
func join(t *testing.T, chunks []sound.Chunk, part func(i int) []byte) (joined []float32, err error) {
	t.Helper()
	err = sound.Join(t.Context(), 2, chunks, func(i int) (sound.Source, error) {
		return sound.NewWAVReader(bytes.NewReader(part(i)))
	}, func(samples []float32) error {
		joined = append(joined, samples...)
		return nil
	})
	return joined, err
}

func TestJoin_PartsJoinedAreTheWhole(t *testing.T) {
	song := noise(30000, 2)
	chunks := sound.Plan(30000, 7001, 10)
	joined, err := join(t, chunks, func(i int) []byte {
		return writeWAV(t, stereo, sound.Float32, song[2*chunks[i].From:2*chunks[i].To])
	})
	require.NoError(t, err)
	require.Equal(t, song, joined)
}

func TestJoin_PartsThatDoNotFitAreNamed(t *testing.T) {
	part := func(moments int) []byte { return writeWAV(t, stereo, sound.PCM16, noise(moments, 2)) }
	chunks := sound.Plan(200, 100, 0)
	for _, row := range []struct {
		name   string
		chunks []sound.Chunk
		second []byte
		want   error
	}{
		{"a gap", []sound.Chunk{chunks[0], {Start: 101, From: 101, To: 200, End: 200}}, part(99), sound.ErrDamaged},
		{"short", chunks, part(99), sound.ErrCut},
		{"long", chunks, part(101), sound.ErrDamaged},
		{"cut off", chunks, part(100)[:300], sound.ErrCut},
		{"no WAV", chunks, []byte("words"), sound.ErrFormat},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := join(t, row.chunks, func(i int) []byte { return [][]byte{part(100), row.second}[i] })
			require.ErrorIs(t, err, row.want)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sound.Join(ctx, 2, chunks, func(int) (sound.Source, error) { return &tape{samples: noise(100, 2)}, nil }, func([]float32) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

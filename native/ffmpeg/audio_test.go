package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestSamples_EveryFormatGivesItsSamplesTheSameEveryTime(t *testing.T) {
	p := need(t)
	for name, args := range map[string]string{
		"s.wav": "", "s.flac": "", "s.mp3": "-c:a libmp3lame", "s.ogg": "-c:a libvorbis", "s.m4a": "-c:a aac",
	} {
		t.Run(name, func(t *testing.T) {
			path := makeFile(t, name, "-f lavfi -i sine=d=2:r=44100 -ac 2 "+args)
			a := probe(t, p, path).Audio[0]
			require.Equal(t, ffmpeg.Sound{Rate: 44100, Channels: 2}, a.Sound())
			first := samples(t, p, path, a)
			require.InDelta(t, 2*44100*8, len(first), 8*1200)
			require.Zero(t, len(first)%8)
			require.Equal(t, first, samples(t, p, path, a))
		})
	}
}

// samples decodes all of a stream.
func samples(t *testing.T, p ffmpeg.Programs, path string, a ffmpeg.Audio) []byte {
	t.Helper()
	r, err := p.Samples(t.Context(), open(t, path), a, a.Sound())
	require.NoError(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}

func TestEncodeSound_FloatWAVGivesBackWhatWasWritten(t *testing.T) {
	p := need(t)
	var pcm bytes.Buffer
	for i := range 2 * 48000 {
		require.NoError(t, binary.Write(&pcm, binary.LittleEndian, float32(math.Sin(float64(i)/50))))
	}
	for format, exact := range map[ffmpeg.SoundFormat]float64{ffmpeg.FloatWAV: 0, ffmpeg.WAV: 1.0 / 32000, ffmpeg.FLAC: 1.0 / 32000} {
		out := create(t, "out."+string(format))
		w, err := p.EncodeSound(t.Context(), out, ffmpeg.Sound{Rate: 48000, Channels: 2}, format, map[string]string{"title": "A = B"})
		require.NoError(t, err)
		_, err = w.Write(pcm.Bytes())
		require.NoError(t, err)
		require.NoError(t, w.Finish())
		require.NoError(t, w.Close())
		info := probe(t, p, out.Name())
		require.Equal(t, "A = B", info.Tags["title"])
		got := samples(t, p, out.Name(), info.Audio[0])
		require.Len(t, got, pcm.Len())
		for i := 0; i < len(got); i += 4 {
			a := math.Float32frombits(binary.LittleEndian.Uint32(got[i:]))
			b := math.Float32frombits(binary.LittleEndian.Uint32(pcm.Bytes()[i:]))
			if math.Abs(float64(a-b)) > exact {
				require.InDelta(t, a, b, exact)
			}
		}
	}
}

func TestEncodeSound_MP3KeepsItsTags(t *testing.T) {
	p := need(t)
	out := create(t, "out.mp3")
	w, err := p.EncodeSound(t.Context(), out, ffmpeg.Sound{Rate: 44100, Channels: 1}, ffmpeg.MP3, map[string]string{"artist": "Ä", "album": "-y"})
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 4*44100))
	require.NoError(t, err)
	require.NoError(t, w.Finish())
	info := probe(t, p, out.Name())
	require.Equal(t, "Ä", info.Tags["artist"])
	require.Equal(t, "-y", info.Tags["album"])
}

func TestEncodeSound_AFullDiskIsNamed(t *testing.T) {
	p := need(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	for _, format := range []ffmpeg.SoundFormat{ffmpeg.MP3, ffmpeg.FLAC} {
		w, err := p.EncodeSound(t.Context(), full, ffmpeg.Sound{Rate: 44100, Channels: 1}, format, nil)
		require.NoError(t, err)
		defer w.Close()
		_, err = w.Write(make([]byte, 4*44100))
		if err == nil {
			err = w.Finish()
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
}

func TestSamples_WhatIsNoSoundIsNamed(t *testing.T) {
	p := need(t)
	path := filepath.Join(t.TempDir(), "x.mp3")
	require.NoError(t, os.WriteFile(path, []byte("words, words"), 0o600))
	r, err := p.Samples(t.Context(), open(t, path), ffmpeg.Audio{}, ffmpeg.Sound{Rate: 44100, Channels: 2})
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, ffmpeg.ErrDamaged)
	_, err = p.Samples(t.Context(), open(t, path), ffmpeg.Audio{}, ffmpeg.Sound{})
	require.ErrorIs(t, err, ffmpeg.ErrTooLarge)
}

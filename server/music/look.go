package music

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// endings are those of songs, by FFmpeg's name of the format.
func endings() map[string]string {
	return map[string]string{
		"mp3": ".mp3", "flac": ".flac", "wav": ".wav", "aac": ".aac", "ogg": ".ogg",
		"mov,mp4,m4a,3gp,3g2,mj2": ".m4a",
	}
}

// maxTag bounds names and bands, in characters.
const maxTag = 200

// Rates and channels of sound as bands sell it, by which the length that a song may
// have is counted: one with more of them may be shorter.
const usualRate, usualChannels = 48_000, 2

// look reads a song through, without decoding it: what it is called, and whether it
// can be worked on. Errors: InvalidArgument, FailedPrecondition, Cancelled.
func (m *Music) look(ctx context.Context, in *os.File) (job.Music, error) {
	bounded, cancel := context.WithTimeout(ctx, m.cfg.Probe)
	defer cancel()
	info, err := m.cfg.Programs.Probe(bounded, in)
	if err == nil {
		err = info.Whole()
	}
	if err == nil && len(info.Audio) == 0 {
		err = ffmpeg.ErrNoAudio
	}
	if err == nil && info.Format == "wav" {
		err = wholeWAV(in, info.Audio[0])
	}
	if err != nil {
		return job.Music{}, m.lookError(ctx, err)
	}
	ending, ok := endings()[info.Format]
	if !ok {
		return job.Music{}, notTaken(fmt.Errorf("a song of the format %q is not taken", info.Format))
	}
	a := info.Audio[0]
	if a.Duration <= 0 {
		return job.Music{}, notTaken(errors.New("the song has no sound in it"))
	}
	weight := max(1, float64(a.Rate)/usualRate) * max(1, float64(a.Channels)/usualChannels)
	if longest := time.Duration(float64(m.cfg.Longest) / weight); a.Duration > longest {
		return job.Music{}, job.E(job.InvalidArgument, "", fmt.Errorf("the song takes %v, and %v is the longest for %d channels of %d samples a second",
			a.Duration.Round(time.Second), longest.Round(time.Second), a.Channels, a.Rate), "send it in pieces")
	}
	return job.Music{Name: shown(info.Tags["title"]), Band: shown(info.Tags["artist"]), File: "song" + ending}, nil
}

// wholeWAV reports a WAV file that has less than its header claims, which FFmpeg takes
// for shorter. Nodes would refuse it. Errors: ffmpeg.ErrCut.
func wholeWAV(in *os.File, a ffmpeg.Audio) error {
	r, err := sound.NewWAVReader(io.NewSectionReader(in, 0, math.MaxInt64))
	if err == nil && r.Moments >= 0 { // else of a kind that FFmpeg alone reads, or without a claim
		claimed, holds := float64(r.Moments)/float64(r.Format.Rate), a.Duration.Seconds()
		if claimed > holds*1.01+0.1 {
			return fmt.Errorf("%w: it ends after %.1f s, and its header claims %.1f s", ffmpeg.ErrCut, holds, claimed)
		}
	}
	return nil
}

// lookError is for an error of FFmpeg about a new song.
func (m *Music) lookError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ffmpeg.ErrMissing):
		return job.E(job.Unimplemented, "look at the song", ffmpeg.ErrMissing, "on the server, "+ffmpeg.InstallHint)
	case errors.Is(err, context.DeadlineExceeded):
		return notTaken(fmt.Errorf("looking the song through took longer than %v", m.cfg.Probe))
	case errors.Is(err, ffmpeg.ErrCut):
		return job.E(job.InvalidArgument, "", err, "send the whole file")
	case errors.Is(err, ffmpeg.ErrNoAudio):
		return notTaken(errors.New("the file has no sound in it"))
	}
	return notTaken(ffmpeg.ErrNotMedia)
}

func notTaken(err error) error {
	return job.E(job.InvalidArgument, "", err, "send an MP3, FLAC, WAV, OGG, Opus, M4A or AAC file")
}

// shown is a tag as people may see it: in one line, without what terminals obey, and
// not endless.
func shown(tag string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(tag, "\uFFFD"))
	clean = strings.TrimSpace(clean)
	if runes := []rune(clean); len(runes) > maxTag {
		clean = string(runes[:maxTag])
	}
	return clean
}

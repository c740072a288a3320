package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"spillway/bench/load"
	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// defaultSong comes with Debian's frozen-bubble-data: 322 s, stereo.
const defaultSong = "/usr/share/games/frozen-bubble/snd/frozen-mainzik-1p.ogg"

// nodeMemory is the most that a node may have of it, with its FFmpeg.
const nodeMemory = 500 << 20

// mediaSound measures seconds of song a second of stems.
func mediaSound(ctx context.Context, c mediaConfig, stdout, stderr io.Writer) error {
	contest, err := c.contest(stderr)
	if err != nil {
		return err
	}
	told, err := load.MeasureSong(ctx, contest, c.song)
	if err != nil {
		return err
	}
	line, err := soundLine(told)
	fmt.Fprintln(stdout, line)
	return err
}

// soundLine is what came of it. Errors: errShort.
func soundLine(told load.SongTurns) (string, error) {
	line, err := mediaLine("sound", "seconds", soundTarget, told.Turns)
	if told.Peak > nodeMemory && err == nil {
		line, err = strings.Replace(line, "ok", "short", 1), errShort
	}
	return fmt.Sprintf("%s all_cores_ratio=%.3f node_peak=%dMiB", line, load.MedianRatio(told.Turns, load.PlainThreads), told.Peak>>20), err
}

// plainSong is what stems are measured against: one process that decodes a song with
// FFmpeg, takes it apart, and writes the four files. With one thread it does so while it
// decodes; with more, it holds the song and works on as many pieces of it at once.
func plainSong(ctx context.Context, args []string, stdout io.Writer) error {
	threads, err := strconv.Atoi(args[0])
	if err != nil {
		return job.E(job.InvalidArgument, load.PlainSong, err, "give THREADS SONG FOLDER")
	}
	in, err := os.Open(args[1])
	if err != nil {
		return job.E(job.InvalidArgument, load.PlainSong, err, "name a song")
	}
	defer in.Close()
	var p ffmpeg.Programs
	info, err := p.ProbeSound(ctx, in)
	if err != nil {
		return err
	}
	format := ffmpeg.Sound{Rate: info.Audio[0].Rate, Channels: min(2, info.Audio[0].Channels)}
	decoder, err := p.Samples(ctx, in, info.Audio[0], format)
	if err != nil {
		return err
	}
	defer decoder.Close()
	out, err := createStems(args[2], strings.TrimSuffix(filepath.Base(args[1]), filepath.Ext(args[1])), sound.Format(format))
	if err != nil {
		return err
	}
	defer out.close()
	tags, err := sound.WAVTags(in, func() (map[string]string, error) { return info.Tags, nil })
	if err != nil {
		return err
	}
	source := sound.Floats(decoder, format.Channels)
	if threads == 1 {
		err = sound.Masks{}.Separate(ctx, sound.Format(format), sound.Whole(), source, out.write)
	} else {
		err = separateAtOnce(ctx, threads, sound.Format(format), source, out.write)
	}
	if err != nil {
		return err
	}
	moments, err := out.finish(tags)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(load.PlainSongDid{Seconds: float64(moments) / float64(format.Rate)})
}

// separateAtOnce separates as many pieces of a song at once as there are threads.
func separateAtOnce(ctx context.Context, threads int, f sound.Format, in sound.Source, out func(sound.Block) error) error {
	var song []float32
	for ended := false; !ended; {
		block := make([]float32, 1<<20)
		n, err := in.Read(block)
		song = append(song, block[:n]...)
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return err
		}
	}
	channels := int64(f.Channels)
	chunks := sound.PlanFor(threads, int64(len(song))/channels, sound.Masks{}.Context(f.Rate))
	pieces := make([]sound.Block, len(chunks))
	work, ctx := errgroup.WithContext(ctx)
	for i, c := range chunks {
		for stem := range pieces[i] {
			pieces[i][stem] = make([]float32, 0, c.Len()*channels)
		}
		work.Go(func() error {
			return sound.Masks{}.Separate(ctx, f, c, &held{song[c.Start*channels : c.End*channels]}, func(b sound.Block) error {
				for stem := range b {
					pieces[i][stem] = append(pieces[i][stem], b[stem]...)
				}
				return nil
			})
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, piece := range pieces {
		if err := out(piece); err != nil {
			return err
		}
	}
	return nil
}

// held is a source of samples that are in memory.
type held struct{ samples []float32 }

// Read implements [sound.Source].
func (h *held) Read(p []float32) (int, error) {
	if len(h.samples) == 0 {
		return 0, io.EOF
	}
	n := copy(p, h.samples)
	h.samples = h.samples[n:]
	return n, nil
}

// stemFiles are the four files.
type stemFiles struct {
	files   []*os.File
	writers []*sound.WAVWriter
}

func createStems(dir, name string, f sound.Format) (*stemFiles, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unwritable(dir, err)
	}
	s := &stemFiles{}
	for _, stem := range sound.Stems() {
		file, err := os.Create(filepath.Join(dir, name+"."+stem.String()+".wav"))
		if err != nil {
			s.close()
			return nil, unwritable(dir, err)
		}
		s.files = append(s.files, file)
		w, err := sound.NewWAVWriter(file, f, sound.PCM16)
		if err != nil {
			s.close()
			return nil, err
		}
		s.writers = append(s.writers, w)
	}
	return s, nil
}

func (s *stemFiles) write(b sound.Block) error {
	for stem, w := range s.writers {
		if err := w.Write(b[stem]); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the files, and tells how many moments each has.
func (s *stemFiles) finish(tags []byte) (moments int64, err error) {
	for _, w := range s.writers {
		w.Tag(tags)
		if err := w.Finish(); err != nil {
			return 0, err
		}
		moments = w.Moments()
	}
	return moments, nil
}

func (s *stemFiles) close() {
	for _, file := range s.files {
		file.Close()
	}
}

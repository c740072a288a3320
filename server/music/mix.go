package music

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// mixed makes the mix that was asked for, unless it was made before.
func (m *Music) mixed(ctx context.Context, song *job.Music) error {
	select {
	case m.mixes <- struct{}{}:
		defer func() { <-m.mixes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	final := filepath.Join(m.folder(song.ID), song.Chosen.File())
	if _, err := os.Stat(final); errors.Is(err, os.ErrNotExist) {
		if err := m.makeMix(ctx, *song, final); err != nil {
			return err
		}
	}
	song.Mixed = song.Chosen
	if err := m.store.SetMusic(ctx, *song); err != nil {
		return err
	}
	m.log.Info("song mixed", "music", song.ID, "mix", song.Mixed.File())
	return nil
}

// makeMix makes the mix under a hidden name, and renames it when it is whole.
func (m *Music) makeMix(ctx context.Context, song job.Music, final string) error {
	source, err := os.Open(filepath.Join(m.folder(song.ID), job.InputDir, song.File))
	if err != nil {
		return lost(err)
	}
	defer source.Close()
	var tracks []*os.File
	defer func() {
		for _, t := range tracks {
			t.Close()
		}
	}()
	for i := range job.StemNames() {
		if !song.Chosen.Has(i) {
			continue
		}
		t, err := os.Open(m.track(song, i))
		if err != nil {
			return lost(err)
		}
		tracks = append(tracks, t)
	}
	hidden := filepath.Join(filepath.Dir(final), job.HiddenPrefix+filepath.Base(final))
	out, err := os.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return diskError(err)
	}
	defer os.Remove(hidden)
	defer out.Close()
	if err := m.mixer(ctx, out, source, tracks); err != nil {
		return err
	}
	if err := errors.Join(out.Sync(), os.Rename(hidden, final)); err != nil {
		return diskError(err)
	}
	return nil
}

// lost is for a file of the song that somebody has removed.
func lost(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return job.E(job.DataLoss, "mix", errors.New("a file of the song was removed from the server's disk"), "upload it again")
	}
	return diskError(err)
}

// mixBlock is how many moments are mixed at a time.
const mixBlock = 1 << 13

// mix adds the tracks up, sample by sample, and encodes them as MP3 with the tags of
// the song. It keeps one block of each in memory.
func (m *Music) mix(ctx context.Context, out, from *os.File, tracks []*os.File) error {
	tags, err := m.cfg.Programs.Tags(ctx, from)
	if err != nil {
		return encodeError(err)
	}
	readers := make([]*sound.WAVReader, len(tracks))
	for i, t := range tracks {
		if readers[i], err = sound.NewWAVReader(t); err != nil {
			return job.E(job.DataLoss, "mix", err, "upload the song again")
		}
		if readers[i].Format != readers[0].Format {
			return job.E(job.DataLoss, "mix", errors.New("the tracks are of different formats"), "upload the song again")
		}
	}
	format := readers[0].Format
	w, err := m.cfg.Programs.EncodeSound(ctx, out, ffmpeg.Sound(format), ffmpeg.MP3, tags)
	if err != nil {
		return encodeError(err)
	}
	defer w.Close()
	sink := sound.EncodeTo(w)
	if err := add(ctx, readers, sink, mixBlock*format.Channels); err != nil {
		return encodeError(err)
	}
	return encodeError(sink.Finish())
}

// add writes the sums of what the readers have. They end together.
func add(ctx context.Context, readers []*sound.WAVReader, sink sound.Sink, block int) error {
	sum, own := make([]float32, block), make([]float32, block)
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := fill(readers[0], sum)
		if err != nil {
			return err
		}
		for _, r := range readers[1:] {
			if err := addOne(r, sum[:n], own[:n]); err != nil {
				return err
			}
		}
		if n == 0 {
			return nil
		}
		if err := sink.Write(sum[:n]); err != nil {
			return err
		}
	}
}

// addOne adds what in has to sum, by way of own. It must have as much.
func addOne(in sound.Source, sum, own []float32) error {
	n, err := fill(in, own)
	if err == nil && n < len(own) {
		err = io.ErrUnexpectedEOF
	}
	for i, x := range own[:n] {
		sum[i] += x
	}
	return err
}

// fill reads as much of p as there is.
func fill(in sound.Source, p []float32) (int, error) {
	n := 0
	for n < len(p) {
		k, err := in.Read(p[n:])
		n += k
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// encodeError is for an error of mixing.
func encodeError(err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, ffmpeg.ErrMissing):
		return job.E(job.Unimplemented, "mix", ffmpeg.ErrMissing, "on the server, "+ffmpeg.InstallHint)
	case errors.Is(err, os.ErrNotExist):
		return lost(err)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return job.E(job.Unavailable, "mix", err, "make room on the server's disk; it is tried again")
	}
	return job.E(job.Internal, "mix", err, "POST the tracks again to have it tried again")
}

package operation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// song takes songs apart, and writes the stems or a mix of them. A part is a range of
// moments, and becomes a segment, which the server joins with the others.
type song struct {
	name, summary string
	separator     sound.Separator
}

var (
	_ Operation = song{}
	_ partial   = song{}
)

func stems() Operation {
	return song{job.Stems, "the voice, drums, bass and the rest of a song, each in a file", sound.Masks{}}
}

func karaoke() Operation {
	return song{job.Karaoke, "a song without its voice, or any mix of its stems", sound.Masks{}}
}

// Info describes the operation.
func (s song) Info() job.OperationInfo {
	return job.OperationInfo{Name: s.name, Summary: s.summary, Params: job.SongParams(s.name)}
}

// Outputs is a file for each stem, or one for the mix.
func (s song) Outputs(name string, args job.Args) []string {
	return job.SongOutputs(s.name, name, args)
}

// PartOutputs is the part's segment: a WAV file with the channels of all outputs.
func (s song) PartOutputs(id job.ID, p job.Part, _ job.Args) []string { return []string{p.Segment(id)} }

// Native is false: all of it is Go, and FFmpeg has processes of its own.
func (song) Native() bool { return false }

// Run decodes, separates and writes.
func (s song) Run(ctx context.Context, f *Files, args job.Args) error {
	in, err := f.Media()
	if err != nil {
		return err
	}
	p, isPart := f.Part()
	var stream *job.SongStream
	if isPart {
		known, ok := job.ParseSongStream(p.Note)
		if !ok {
			return job.E(job.InvalidArgument, "read "+p.String(), fmt.Errorf("%q does not describe a song", p.Note), "")
		}
		stream = &known
	}
	from, err := openSong(ctx, in, stream)
	if err != nil {
		return explainSong(f.Name(), err)
	}
	defer from.close()
	to := &tracks{song: s, args: args, format: from.format}
	defer to.close()
	if isPart {
		err = to.segment(f)
	} else {
		err = to.files(ctx, f, in, from.tags)
	}
	if err != nil {
		return err
	}
	chunk := sound.Whole()
	if isPart {
		chunk = songChunk(p, s.separator.Context(from.format.Rate))
	}
	if err := sound.Skip(from.Source, from.format.Channels, chunk.Start); err != nil {
		return explainSong(f.Name(), err)
	}
	if err := s.separator.Separate(ctx, from.format, chunk, from.Source, to.write); err != nil {
		return explainSong(f.Name(), err)
	}
	if to.moments == 0 {
		return job.E(job.InvalidArgument, "read "+shown(job.InputDir, f.Name()), errors.New("there is no sound in it"), "take it out of input_dir")
	}
	return to.finish()
}

// songChunk is the chunk of a part. The last goes on to the song's end, wherever that
// turns out to be: only a decoder knows, and the server has asked none.
func songChunk(p job.Part, margin int64) sound.Chunk {
	c := sound.Chunk{Start: max(0, p.From-margin), From: p.From, To: p.To, End: p.To + min(margin, sound.Open-p.To)}
	if p.Number == p.Of {
		c.To, c.End = sound.Open, sound.Open
	}
	return c
}

// songSource is a song that is being read.
type songSource struct {
	sound.Source
	format sound.Format
	tags   map[string]string
	close  func()
}

// openSong begins to read a song: WAV with one or two channels by itself, so that a
// node needs no program for it and can go to any moment at once, and all else through
// FFmpeg, from its beginning. That a file is cut off is told for whole songs, or for
// their last part; the server looks before it splits them.
func openSong(ctx context.Context, in *os.File, part *job.SongStream) (*songSource, error) {
	wav, err := sound.NewWAVReader(in)
	switch {
	case err == nil && part != nil && wav.Format.Rate != part.Rate:
		return nil, fmt.Errorf("%w: it has %d samples a second now, and had %d when it was split", sound.ErrDamaged, wav.Format.Rate, part.Rate)
	case err == nil && wav.Format.Channels <= 2:
		return &songSource{Source: wav, format: wav.Format, close: func() {}}, nil
	case err != nil && !errors.Is(err, sound.ErrFormat):
		return nil, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var tags map[string]string
	if part == nil {
		if part, tags, err = probeSong(ctx, in); err != nil {
			return nil, err
		}
	}
	how := ffmpeg.Sound{Rate: part.Rate, Channels: min(part.Channels, 2)}
	decoder, err := programs().Samples(ctx, in, ffmpeg.Audio{Stream: part.Stream}, how)
	if err != nil {
		return nil, err
	}
	return &songSource{
		Source: sound.Floats(decoder, how.Channels), format: sound.Format(how), tags: tags, close: func() { decoder.Close() },
	}, nil
}

// probeSong looks at a whole song.
func probeSong(ctx context.Context, in *os.File) (*job.SongStream, map[string]string, error) {
	info, err := programs().ProbeSound(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	if err := info.Whole(); err != nil {
		return nil, nil, err
	}
	a := info.Audio[0]
	return &job.SongStream{Stream: a.Stream, Rate: a.Rate, Channels: a.Channels}, info.Tags, nil
}

// explainSong makes an error of package sound one for people, and leaves others.
func explainSong(name string, err error) error {
	op := "read " + shown(job.InputDir, name)
	switch {
	case errors.Is(err, sound.ErrCut), errors.Is(err, sound.ErrDamaged):
		return job.E(job.DataLoss, op, err, "copy it again from where it came")
	case errors.Is(err, sound.ErrFormat):
		return job.E(job.InvalidArgument, op, err, "convert it to WAV or FLAC")
	}
	return err
}

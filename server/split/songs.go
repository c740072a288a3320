package split

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// songs are taken apart: ranges of their moments are tasks, whose segments hold the
// samples of all outputs side by side.
type songs struct{ op job.Operation }

var _ joiner = songs{}

// Where nobody says how long a part is: not so short that decoding what comes before it
// takes longer than the part, nor so many that a node decodes the song over and over.
const (
	songPart  = 30 * time.Second
	songParts = 8
)

func (songs) takes(ext string) bool { return soundEndings.takes(ext) }

// plan cuts by the length that the file's packets tell. The last part goes on to the end
// that decoding finds, so that the length need not be exact.
func (s songs) plan(ctx context.Context, in *os.File, name string, _ job.Operation) ([]job.Part, error) {
	args, err := s.args()
	if err != nil {
		return nil, err
	}
	info, err := programs().Probe(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := info.Whole(); err != nil {
		return nil, err
	}
	if len(info.Audio) == 0 {
		return nil, ffmpeg.ErrNoAudio
	}
	a := info.Audio[0]
	chunks := songChunks(a.Rate, a.Duration, args)
	if len(chunks) < 2 {
		return nil, nil
	}
	note := job.SongStream{Stream: a.Stream, Rate: a.Rate, Channels: a.Channels}.Note()
	parts := make([]job.Part, len(chunks))
	for i, c := range chunks {
		parts[i] = job.Part{File: name, Number: i + 1, Of: len(chunks), From: c.From, To: c.To, Count: c.Len(), Note: note}
	}
	return parts, nil
}

// songChunks cuts a song as its job's parameters say.
func songChunks(rate int, length time.Duration, args job.Args) []sound.Chunk {
	total := int64(length.Seconds() * float64(rate))
	margin := sound.Masks{}.Context(rate)
	seconds, count := args.Int("seconds"), args.Int("chunks")
	switch {
	case seconds > 0:
		most := (total + job.MaxSongParts - 1) / job.MaxSongParts
		return sound.Plan(total, max(int64(seconds)*int64(rate), most, 2*margin), margin)
	case count == 0:
		count = max(1, min(songParts, int(length/songPart)))
	}
	return sound.PlanFor(count, total, margin)
}

func (s songs) args() (job.Args, error) {
	return job.OperationInfo{Name: s.op.Name, Params: job.SongParams(s.op.Name)}.Check(s.op)
}

func (s songs) outputs(name string) []string {
	args, err := s.args()
	if err != nil {
		return nil // no node will take it either
	}
	return job.SongOutputs(s.op.Name, name, args)
}

// join puts the segments one after another, and their tracks into files.
func (s songs) join(ctx context.Context, j joining) error {
	args, err := s.args()
	if err != nil {
		return err
	}
	segments := make([]*sound.WAVReader, len(j.segments))
	chunks := make([]sound.Chunk, len(j.segments))
	for i, p := range j.parts {
		if segments[i], err = sound.NewWAVReader(j.segments[i]); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
		if segments[i].Format != segments[0].Format {
			return fmt.Errorf("part %d is of another format than the first", i+1)
		}
		chunks[i] = sound.Chunk{Start: p.From, From: p.From, To: p.To, End: p.To}
		if p.Number == p.Of {
			chunks[i].To = p.From + max(0, segments[i].Moments)
			chunks[i].End = chunks[i].To
		}
	}
	woven := segments[0].Format
	if woven.Channels%len(j.outs) != 0 {
		return fmt.Errorf("%d channels do not make %d files", woven.Channels, len(j.outs))
	}
	format := sound.Format{Rate: woven.Rate, Channels: woven.Channels / len(j.outs)}
	out, err := openTracks(ctx, j, format, args)
	defer out.close()
	if err != nil {
		return err
	}
	part := func(i int) (sound.Source, error) { return segments[i], nil }
	if err := sound.Join(ctx, woven.Channels, chunks, part, out.write); err != nil {
		return err
	}
	return out.finish()
}

// songTracks are the files that a song becomes.
type songTracks struct {
	channels int
	sinks    []sound.Sink
	blocks   [][]float32
	open     []io.Closer
}

// openTracks begins the files, with the tags of the song. The caller closes what is
// returned, whatever the error.
func openTracks(ctx context.Context, j joining, f sound.Format, args job.Args) (*songTracks, error) {
	t := &songTracks{channels: f.Channels, blocks: make([][]float32, len(j.outs))}
	ask := func() (map[string]string, error) { return programs().Tags(ctx, j.source) }
	if args["format"] == "mp3" {
		tags, err := ask()
		for i := 0; err == nil && i < len(j.outs); i++ {
			err = t.mp3(ctx, j.outs[i], f, tags)
		}
		return t, err
	}
	tags, err := sound.WAVTags(j.source, ask)
	if err != nil {
		return t, err
	}
	for _, file := range j.outs {
		w, err := sound.NewWAVWriter(file, f, sound.EncodingNamed(args["format"], args["depth"]))
		if err != nil {
			return t, err
		}
		w.Tag(tags)
		t.sinks = append(t.sinks, w)
	}
	return t, nil
}

func (t *songTracks) mp3(ctx context.Context, file *os.File, f sound.Format, tags map[string]string) error {
	w, err := programs().EncodeSound(ctx, file, ffmpeg.Sound(f), ffmpeg.MP3, tags)
	if err != nil {
		return err
	}
	t.open = append(t.open, w)
	t.sinks = append(t.sinks, sound.EncodeTo(w))
	return nil
}

func (t *songTracks) write(samples []float32) error {
	sound.Unweave(t.blocks, samples, t.channels)
	for i, sink := range t.sinks {
		if err := sink.Write(t.blocks[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *songTracks) finish() error {
	errs := make([]error, len(t.sinks))
	for i, sink := range t.sinks {
		errs[i] = sink.Finish()
	}
	return errors.Join(errs...)
}

func (t *songTracks) close() {
	for _, c := range t.open {
		c.Close()
	}
}

package operation

import (
	"context"
	"io"
	"os"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/sound"
)

// tracks are what a song operation writes, block by block: the stems, or a mix.
type tracks struct {
	song   song
	args   job.Args
	format sound.Format

	sinks   []sound.Sink // one for each track; or one that takes all of them side by side
	names   []string     // of the sinks' files
	trouble trouble
	open    []io.Closer
	moments int64
	mix     []float32
	woven   []float32
}

// segment writes all tracks into one file.
func (t *tracks) segment(f *Files) error {
	count := 1
	if t.song.name == job.Stems {
		count = sound.StemCount
	}
	format := sound.Format{Rate: t.format.Rate, Channels: count * t.format.Channels}
	return t.wav(f, f.allowed[0], format, nil)
}

// files writes each track into a file of its own, with the tags of the song. Those that
// FFmpeg has not looked for yet are nil.
func (t *tracks) files(ctx context.Context, f *Files, in *os.File, tags map[string]string) error {
	ask := func() (map[string]string, error) {
		if tags != nil {
			return tags, nil
		}
		return programs().Tags(ctx, in)
	}
	if t.args["format"] == "mp3" {
		tags, err := ask()
		for i := 0; err == nil && i < len(f.allowed); i++ {
			err = t.mp3(ctx, f, f.allowed[i], tags)
		}
		return err
	}
	chunks, err := sound.WAVTags(in, ask)
	for i := 0; err == nil && i < len(f.allowed); i++ {
		err = t.wav(f, f.allowed[i], t.format, chunks)
	}
	return err
}

func (t *tracks) wav(f *Files, name string, format sound.Format, tags []byte) error {
	file, err := f.Create(name)
	if err != nil {
		return err
	}
	w, err := sound.NewWAVWriter(file, format, sound.EncodingNamed(t.args["format"], t.args["depth"]))
	if err != nil {
		return f.trouble.write(name, err)
	}
	w.Tag(tags)
	t.add(f, name, w)
	return nil
}

func (t *tracks) mp3(ctx context.Context, f *Files, name string, tags map[string]string) error {
	file, err := f.Create(name)
	if err != nil {
		return err
	}
	w, err := programs().EncodeSound(ctx, file, ffmpeg.Sound(t.format), ffmpeg.MP3, tags)
	if err != nil {
		return err
	}
	t.open = append(t.open, w)
	t.add(f, name, sound.EncodeTo(w))
	return nil
}

func (t *tracks) add(f *Files, name string, sink sound.Sink) {
	t.sinks, t.names, t.trouble = append(t.sinks, sink), append(t.names, name), f.trouble
}

// write takes a block of stems.
func (t *tracks) write(b sound.Block) error {
	t.moments += int64(len(b[0]) / t.format.Channels)
	all := b[:]
	if t.song.name == job.Karaoke {
		var gains sound.Gains
		for i, stem := range sound.Stems() {
			gains[i] = t.args.Float(stem.String())
		}
		t.mix = sound.Mix(t.mix, b, gains)
		all = [][]float32{t.mix}
	}
	if len(t.sinks) < len(all) {
		t.woven = sound.Weave(t.woven, all, t.format.Channels)
		all = [][]float32{t.woven}
	}
	for i, sink := range t.sinks {
		if err := sink.Write(all[i]); err != nil {
			return t.explain(i, err)
		}
	}
	return nil
}

func (t *tracks) finish() error {
	for i, sink := range t.sinks {
		if err := sink.Finish(); err != nil {
			return t.explain(i, err)
		}
	}
	return nil
}

// explain leaves FFmpeg's errors as they are: they are explained where all of them are.
func (t *tracks) explain(i int, err error) error {
	if _, wav := t.sinks[i].(*sound.WAVWriter); wav {
		return t.trouble.write(t.names[i], err)
	}
	return err
}

func (t *tracks) close() {
	for _, c := range t.open {
		c.Close()
	}
}

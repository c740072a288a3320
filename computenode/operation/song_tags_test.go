package operation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestKaraoke_EveryFormatIsReadAndItsTagsAreKept(t *testing.T) {
	needFFmpeg(t)
	const source = "-f lavfi -i sine=d=3:r=44100 -ac 2 -metadata title=Träume -metadata artist=-y -metadata track=7 -metadata composer=Clara "
	for name, how := range map[string]string{
		"a.mp3": "-c:a libmp3lame", "a.flac": "-c:a flac", "a.ogg": "-c:a libvorbis", "a.m4a": "-c:a aac", "a.wav": "-c:a pcm_s24le",
	} {
		for format, codec := range map[string]string{"mp3": "mp3", "wav": "pcm_s16le"} {
			t.Run(name+" as "+format, func(t *testing.T) {
				p := newPlace(t)
				runFFmpeg(t, source+how, p.in(name))
				_, err := p.run(name, job.Operation{Name: job.Karaoke, Params: map[string]string{"format": format}})
				require.NoError(t, err)
				require.Equal(t, []string{"a.karaoke." + format}, p.left())
				info := p.probe(p.out("a.karaoke." + format))
				require.Equal(t, codec, info.Audio[0].Codec)
				require.InDelta(t, 3, info.Duration.Seconds(), 0.15)
				require.Equal(t, "Träume", info.Tags["title"])
				require.Equal(t, "-y", info.Tags["artist"])
				require.Equal(t, "7", info.Tags["track"])
				if format == "mp3" && name != "a.wav" { // of a WAV file FFmpeg wants the few that its list has a place for
					require.Equal(t, "Clara", info.Tags["composer"])
				}
			})
		}
	}
}

func TestStems_TagsThatWAVHasNoNameForAreKept(t *testing.T) {
	needFFmpeg(t)
	p := newPlace(t)
	runFFmpeg(t, "-f lavfi -i sine=d=0.1 -metadata composer=Clara -metadata album_artist=Ä -metadata mood=blue", p.in("a.flac"))
	_, err := p.run("a.flac", job.Operation{Name: job.Stems})
	require.NoError(t, err)
	for _, name := range p.left() {
		require.Equal(t, map[string]string{"composer": "Clara", "album_artist": "Ä", "mood": "blue"}, p.probe(p.out(name)).Tags)
	}
}

package job

import (
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
)

// Stems takes songs apart, and Karaoke leaves their voice out.
const (
	Stems   = "stems"
	Karaoke = "karaoke"
)

// StemNames are the stems of a song, in the order in which they are kept.
func StemNames() []string { return []string{"vocals", "drums", "bass", "other"} }

// SongParams are the parameters of [Stems] or [Karaoke]. The server plans and joins by
// them, and nodes check them.
func SongParams(operation string) []ParamInfo {
	params := []ParamInfo{
		{Name: "format", Kind: ChoiceParam, Default: "wav", Choices: []string{"wav", "mp3"}, Summary: "of what is written"},
		{Name: "depth", Kind: ChoiceParam, Default: "16", Choices: []string{"16", "24", "float"}, Summary: "bits of a sample in WAV"},
		{Name: "seconds", Kind: IntParam, Default: "0", Min: 0, Max: 86400, Summary: "of the song in one task; 0: as many as chunks says"},
		{Name: "chunks", Kind: IntParam, Default: "0", Min: 0, Max: MaxSongParts, Summary: "tasks to share the song over; " + PerNode + ": one for each node that takes tasks when the job is submitted; 0: by its length"},
	}
	if operation == Karaoke {
		for _, stem := range StemNames() {
			gain := "1"
			if stem == "vocals" {
				gain = "0"
			}
			params = append(params, ParamInfo{Name: stem, Kind: FloatParam, Default: gain, Min: 0, Max: 4, Summary: "how loud " + stem + " is; 1: as in the song"})
		}
	}
	return params
}

// PerNode stands for the number of nodes in the parameter chunks of [Stems] and [Karaoke].
const PerNode = "nodes"

// ForNodes is the operation with n, up to [MaxSongParts], where its parameters say
// [PerNode]. The server asks for it once, when a job is submitted, so that what is kept
// with the job is a number, and means the same whenever it is read again. 0 nodes: as if
// nothing were said.
func (o Operation) ForNodes(n int) Operation {
	if (o.Name == Stems || o.Name == Karaoke) && o.Params["chunks"] == PerNode {
		o.Params = maps.Clone(o.Params)
		o.Params["chunks"] = strconv.Itoa(min(n, MaxSongParts))
	}
	return o
}

// SongStream is what a node wants to know of a song before it decodes a part of it.
type SongStream struct {
	Stream   int // index within the file
	Rate     int // samples a second
	Channels int
}

const songStreamForm = "%d:%d:%d"

// Note is the stream as a [Part] carries it.
func (s SongStream) Note() string { return fmt.Sprintf(songStreamForm, s.Stream, s.Rate, s.Channels) }

// ParseSongStream reads a part's note; false: it is none of a song.
func ParseSongStream(note string) (SongStream, bool) {
	var s SongStream
	_, err := fmt.Sscanf(note, songStreamForm, &s.Stream, &s.Rate, &s.Channels)
	return s, err == nil && s.Stream >= 0 && s.Rate > 0 && s.Channels > 0 && s.Note() == note
}

// MaxSongParts bounds the parts of one song.
const MaxSongParts = 64

// SongOutputs names what becomes of the song called name, with the parameters checked:
// "a.vocals.wav" and so on, or "a.karaoke.wav".
func SongOutputs(operation, name string, args Args) []string {
	base, kinds := strings.TrimSuffix(name, filepath.Ext(name)), []string{Karaoke}
	if operation == Stems {
		kinds = StemNames()
	}
	outs := make([]string, len(kinds))
	for i, kind := range kinds {
		outs[i] = base + "." + kind + "." + args["format"]
	}
	return outs
}

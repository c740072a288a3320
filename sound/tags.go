package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// maxTagsBytes bounds the tags of one file: they are held in memory.
const maxTagsBytes = 1 << 20

// WAVTags are what a song's file tells of it, title, artist and so on, as chunks for
// [WAVWriter.Tag]. Those of a WAV file are taken over as they are, wherever they stand
// in it, so that no other program is needed; for a file of another kind, ask tells them,
// with FFmpeg's names in lower case ("album_artist"). More than 1 MiB is left out, chunk
// by chunk or tag by tag: a large picture of a cover, for one. in's offset is left alone.
// Errors: those of in and ask.
func WAVTags(in io.ReaderAt, ask func() (map[string]string, error)) ([]byte, error) {
	chunks, err := tagsOf(in)
	if !errors.Is(err, ErrFormat) {
		return chunks, err
	}
	tags, err := ask()
	if err != nil {
		return nil, err
	}
	return makeTags(tags), nil
}

// tagsOf are the chunks of a WAV file that tell of the song. Errors: ErrFormat (no WAV
// file), those of in; one that ends too early has those that it has.
func tagsOf(in io.ReaderAt) ([]byte, error) {
	var head [12]byte
	if n, err := in.ReadAt(head[:], 0); n < len(head) {
		return nil, short(err, fmt.Errorf("%w: it is no WAV file", ErrFormat))
	}
	if kind := string(head[:4]); kind != "RIFF" && kind != "RF64" || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: it is no WAV file", ErrFormat)
	}
	scan := tagScan{in: in, at: int64(len(head)), long: unknownSize}
	for range maxChunks {
		if err := scan.step(); err != nil {
			return scan.kept, short(err, nil)
		}
	}
	return scan.kept, nil
}

// tagScan goes through the chunks of a WAV file.
type tagScan struct {
	in   io.ReaderAt
	at   int64 // where the next chunk begins
	long int64 // bytes of samples, where the file is RF64
	kept []byte
}

// step looks at one chunk. Errors: io.EOF (it is not all there), those of in.
func (s *tagScan) step() error {
	head, err := s.read(0, 8)
	if err != nil {
		return err
	}
	name, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
	switch name {
	case "ds64":
		sizes, err := s.read(8, 16)
		if err != nil {
			return err
		}
		s.long = int64(min(binary.LittleEndian.Uint64(sizes[8:]), math.MaxInt64/4))
	case "data":
		if size == unknownSize {
			size = s.long
		}
	case "LIST", "id3 ", "ID3 ":
		if err := s.keep(8 + size + size%2); err != nil {
			return err
		}
	}
	if s.at += 8 + size + size%2; s.at > math.MaxInt64/4 { // no file is so long
		return io.EOF
	}
	return nil
}

// keep takes a chunk of so many bytes, if there is room and it holds tags: not every list
// does.
func (s *tagScan) keep(size int64) error {
	if size > int64(maxTagsBytes-len(s.kept)) {
		return nil
	}
	chunk, err := s.read(0, size)
	if err == nil && (string(chunk[:4]) != "LIST" || strings.HasPrefix(string(chunk[8:]), "INFO")) {
		s.kept = append(s.kept, chunk...)
	}
	return err
}

// read reads n bytes of the chunk, from some byte of it on.
func (s *tagScan) read(from, n int64) ([]byte, error) {
	b := make([]byte, n)
	if got, err := s.in.ReadAt(b, s.at+from); got < len(b) {
		return nil, err
	}
	return b, nil
}

// A tag as RIFF's INFO list calls it (Microsoft, 1991), and as ID3v2 does.
type tagName struct{ info, id3 string }

// tagNames are those that have a name there. The others become TXXX in ID3v2.
func tagNames() map[string]tagName {
	return map[string]tagName{
		"title": {"INAM", "TIT2"}, "artist": {"IART", "TPE1"}, "album": {"IPRD", "TALB"}, "track": {"IPRT", "TRCK"},
		"date": {"ICRD", "TDRC"}, "genre": {"IGNR", "TCON"}, "copyright": {"ICOP", "TCOP"}, "language": {"ILNG", "TLAN"},
		"encoded_by": {"ITCH", "TENC"}, "comment": {"ICMT", ""},
		"album_artist": {"", "TPE2"}, "composer": {"", "TCOM"}, "disc": {"", "TPOS"}, "performer": {"", "TPE3"}, "publisher": {"", "TPUB"},
	}
}

// makeTags writes tags twice, in UTF-8: into an INFO list, which most players read but
// which has few names, and into an ID3v2.4 tag (M. Nilsson, 2000), which has all. The
// program that made the source has not made this file, and is left out.
func makeTags(tags map[string]string) []byte {
	list, frames := []byte("INFO"), []byte(nil)
	known := tagNames()
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := strings.ReplaceAll(tags[key], "\x00", " ")
		if value == "" || key == "encoder" || 2*len(list)+2*len(frames)+2*len(key)+2*len(value) > maxTagsBytes {
			continue
		}
		name := known[key]
		if name.info != "" {
			list = appendChunk(list, name.info, []byte(value+"\x00"))
		}
		text := "\x03" + value
		if name.id3 == "" {
			name.id3, text = "TXXX", "\x03"+strings.ReplaceAll(key, "\x00", " ")+"\x00"+value
		}
		frames = append(append(frames, name.id3...), syncsafe(len(text))...)
		frames = append(append(frames, 0, 0), text...)
	}
	var chunks []byte
	if len(list) > len("INFO") {
		chunks = appendChunk(chunks, "LIST", list)
	}
	if len(frames) > 0 {
		chunks = appendChunk(chunks, "id3 ", slices.Concat([]byte("ID3\x04\x00\x00"), syncsafe(len(frames)), frames))
	}
	return chunks
}

// appendChunk appends a chunk of RIFF, which has an even length.
func appendChunk(b []byte, name string, body []byte) []byte {
	b = append(binary.LittleEndian.AppendUint32(append(b, name...), uint32(len(body))), body...)
	return append(b, make([]byte, len(body)%2)...)
}

// syncsafe is a length as ID3v2 writes it: seven bits a byte.
func syncsafe(n int) []byte {
	return []byte{byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}
}

package sound_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// never fails a test in which tags are asked for that the file has.
func never(t *testing.T) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		t.Error("the tags of a WAV file are its own")
		return nil, nil
	}
}

func TestWAVTags_ThoseOfAWAVFileAreTakenOverAsTheyAre(t *testing.T) {
	info, id3 := "INFOINAM\x03\x00\x00\x00abc\x00", "ID3\x03\x00\x00\x00\x00\x00\x00"
	chunk := func(name, body string) string {
		return name + string(binary.LittleEndian.AppendUint32(nil, uint32(len(body)))) + body
	}
	want := chunk("LIST", info) + chunk("id3 ", id3)
	tags, err := sound.WAVTags(bytes.NewReader(riff("RIFF", "LIST", info, "fmt ", form(1, 1, 16), "LIST", "adtlodd", "data", "odd", "id3 ", id3)), never(t))
	require.NoError(t, err)
	require.Equal(t, want, string(tags), "before and behind the samples; other lists are none")

	path := filepath.Join(t.TempDir(), "a.wav")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	w, err := sound.NewWAVWriter(file, sound.Format{Rate: 8000, Channels: 1}, sound.PCM24)
	require.NoError(t, err)
	require.NoError(t, w.Write([]float32{0, 0.5, -0.5}))
	w.Tag(tags)
	require.NoError(t, w.Finish())
	again, err := sound.WAVTags(file, never(t))
	require.NoError(t, err)
	require.Equal(t, want, string(again))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.EqualValues(t, len(data)-8, binary.LittleEndian.Uint32(data[4:]), "the header counts them")
	got, _, err := readWAV(data)
	require.NoError(t, err)
	require.Equal(t, []float32{0, 0.5, -0.5}, got, "they are no samples")
}

func TestWAVTags_OtherFilesTagsAreWritten(t *testing.T) {
	tags, err := sound.WAVTags(strings.NewReader("fLaC and so on"), func() (map[string]string, error) {
		return map[string]string{"title": "Träume", "composer": "C", "empty": "", "comment": strings.Repeat("x", 1<<20), "odd": "a\x00b"}, nil
	})
	require.NoError(t, err)
	require.Equal(t, "LIST\x14\x00\x00\x00INFOINAM\x08\x00\x00\x00Träume\x00", string(tags[:28]))
	require.Equal(t, "id3 ", string(tags[28:32]))
	for _, frame := range []string{"TIT2\x00\x00\x00\x08\x00\x00\x03Träume", "TCOM\x00\x00\x00\x02\x00\x00\x03C", "TXXX\x00\x00\x00\x08\x00\x00\x03odd\x00a b"} {
		require.Contains(t, string(tags), frame)
	}
	require.Less(t, len(tags), 200, "what is too long is left out")
	none, err := sound.WAVTags(strings.NewReader("OggS"), func() (map[string]string, error) { return nil, nil })
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestWAVTags_HostileFilesCostNoMemory(t *testing.T) {
	claim := func(name string, size uint32) string {
		return name + string(binary.LittleEndian.AppendUint32(nil, size))
	}
	for name, data := range map[string]string{
		"a list of 4 GiB":         "RIFF\x00\x00\x00\x00WAVE" + claim("LIST", 0xFFFFFFFE) + "INFO",
		"samples of 8 EiB":        "RF64\xff\xff\xff\xffWAVE" + claim("ds64", 16) + "12345678" + strings.Repeat("\xff", 8) + claim("data", 0xFFFFFFFF),
		"a list that is cut off":  "RIFF\x00\x00\x00\x00WAVE" + claim("LIST", 100) + "INFO",
		"sizes that are cut off":  "RF64\x00\x00\x00\x00WAVE" + claim("ds64", 28) + "1234",
		"nothing in it":           "RIFF\x00\x00\x00\x00WAVE",
		"chunks of no length":     "RIFF\x00\x00\x00\x00WAVE" + strings.Repeat(claim("JUNK", 0), 5000),
		"lists beyond the bounds": "RIFF\x00\x00\x00\x00WAVE" + claim("LIST", 1<<20) + "INFO" + strings.Repeat(" ", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			tags, err := sound.WAVTags(strings.NewReader(data), never(t))
			require.NoError(t, err)
			require.Empty(t, tags)
		})
	}
	broken := errors.New("the disk broke")
	_, err := sound.WAVTags(failing{broken}, never(t))
	require.ErrorIs(t, err, broken)
	_, err = sound.WAVTags(strings.NewReader(""), func() (map[string]string, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
}

// failing is a file that cannot be read.
type failing struct{ err error }

func (f failing) ReadAt(p []byte, _ int64) (int, error) { return iotest.ErrReader(f.err).Read(p) }

func FuzzWAVTags(f *testing.F) {
	f.Add(riff("RIFF", "LIST", "INFOINAM\x01\x00\x00\x00a\x00", "data", "abc", "id3 ", "x"))
	f.Add(riff("RF64", "ds64", "0123456789abcdef", "data", "abc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tags, err := sound.WAVTags(bytes.NewReader(data), func() (map[string]string, error) { return nil, nil })
		require.NoError(t, err)
		require.LessOrEqual(t, len(tags), len(data))
	})
}

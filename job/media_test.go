package job

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckFileName_HostileNamesAreRefused(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "../x", "/etc/passwd", "a/b", "a\x00b", "a\nb", "a\x1b[2Jb", "a\u0085b", "\xff.png", HiddenPrefix + "x", strings.Repeat("x", MaxFileName+1),
	} {
		err := CheckFileName(name)
		require.Equal(t, InvalidArgument, CodeOf(err), "%q", name)
		require.NotContains(t, err.Error(), "\n")
		require.NotContains(t, err.Error(), "\x1b")
	}
	for _, name := range []string{"a", "12.1.png", "mesh-12.1.png", "my clip.mp4", "写真.png", "-x", "..x", `a\b`, strings.Repeat("x", MaxFileName)} {
		require.NoError(t, CheckFileName(name), "%q", name)
	}
}

func TestFrameOf_NamesOfFramesAreParted(t *testing.T) {
	for name, want := range map[string]struct {
		video string
		frame int64
	}{
		"12.1.png": {"12", 1}, "a.b.70.png": {"a.b", 70}, "mesh-12.1.png": {"mesh-12", 1},
		"clip.mp4": {"clip", 0}, "photo": {"photo", 0}, "my clip.mp4": {"my_clip", 0},
		"x.-1.png": {"x.-1", 0}, "x.99999999999999999999.png": {"x.99999999999999999999", 0}, ".5.png": {".5", 0}, "12.1": {"12", 0},
	} {
		video, frame := FrameOf(name)
		require.Equal(t, want.video, video, name)
		require.Equal(t, want.frame, frame, name)
	}
	require.Equal(t, "12.1.png", FrameName("12", 1))
}

func TestParseRate_KnowsFractions(t *testing.T) {
	for text, want := range map[string]Rate{
		"25": {25, 1}, "25.0": {25, 1}, "29.97": {30000, 1001}, "30000/1001": {30000, 1001}, "23.976": {24000, 1001}, "23.98": {24000, 1001},
		"59.94": {60000, 1001}, "12.5": {12500, 1000}, "0.5": {500, 1000}, "1000": {1000, 1}, "1/3": {1, 3},
	} {
		got, err := ParseRate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "-1", "NaN", "Inf", "1e9", "1001", "a", "1/0", "0/1", "-1/2", "1/2/3", "99999999999/1", "0.0001"} {
		_, err := ParseRate(text)
		require.Equal(t, InvalidArgument, CodeOf(err), text)
	}
}

func TestRate_IsReadBackAsItIsWritten(t *testing.T) {
	for text, r := range map[string]Rate{"25": {25, 1}, "29.97": {30000, 1001}, "23.976": {24000, 1001}, "59.94": {60000, 1001}, "12.5": {25, 2}} {
		require.Equal(t, text, r.String())
		back, err := ParseRate(text)
		require.NoError(t, err)
		require.InDelta(t, r.Float(), back.Float(), 1e-9)
	}
}

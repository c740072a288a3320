package ffmpeg

import (
	"errors"
	"fmt"
	"strings"
)

// InstallHint says how to get the programs.
const InstallHint = "install FFmpeg (Debian, Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg)"

var (
	// ErrMissing is wrapped when a program is not on the PATH; see [InstallHint].
	ErrMissing = errors.New("the program is not installed")
	// ErrNotMedia is wrapped for a file that is no video or sound of a known kind.
	ErrNotMedia = errors.New("it is not a video or sound file of a kind that is allowed")
	// ErrNoVideo is returned for a file without a video stream; the picture on the
	// cover of a song is none.
	ErrNoVideo = errors.New("it has no video stream")
	// ErrNoAudio is returned for a file without an audio stream.
	ErrNoAudio = errors.New("it has no audio stream")
	// ErrCut is wrapped for a file that ends before its header says.
	ErrCut = errors.New("the file is cut off")
	// ErrTooLarge is wrapped for what is beyond the bounds of this package.
	ErrTooLarge = errors.New("it is too large")
	// ErrDamaged is wrapped for a stream that cannot be decoded.
	ErrDamaged = errors.New("the stream is damaged")
)

// Error is a program that ended with a failure.
type Error struct {
	Program string // ffmpeg or ffprobe
	Text    string // the last line that says something
	Err     error  // how it ended, or one of the package's errors; syscall.ENOSPC where the disk was full
}

// Error gives program and text.
func (e *Error) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s: %v", e.Program, e.Err)
	}
	return e.Program + ": " + e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// maxText bounds the text of an Error in bytes.
const maxText = 300

// lastLine is the last line of what a program printed that is not empty, without
// the address of the object that speaks and without what does not print.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	line := strings.TrimSpace(lines[len(lines)-1])
	if strings.HasPrefix(line, "[") {
		if _, rest, ok := strings.Cut(line, "] "); ok {
			line = rest
		}
	}
	if strings.HasPrefix(line, "file:") { // the name that the program was given is ours alone
		_, line, _ = strings.Cut(line, ": ")
	}
	line = strings.ToValidUTF8(line, "?")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, line)
	if len(line) > maxText {
		line = strings.ToValidUTF8(line[:maxText], "") + "…"
	}
	return line
}

package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Programs says which FFmpeg is used, and how. The zero value looks for ffmpeg and
// ffprobe on the PATH. It may be used concurrently; each call runs programs of its own.
type Programs struct {
	// FFmpeg and FFprobe are paths. Empty: the first on the PATH.
	FFmpeg, FFprobe string
	// Threads is how many threads one program uses. Zero: FFmpeg decides.
	Threads int
	// Timeout bounds one run of a program. Zero: only the context does.
	Timeout time.Duration
}

// MaxPixels bounds width × height of a frame.
const MaxPixels = 100_000_000

// formats are the demuxers that may read an input: containers and elementary streams
// that hold their own data. Those that name other files or devices (concat, hls, dash,
// image2, lavfi, sdp and the like) are left out.
const formats = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,wav,w64,flac,mp3,aac,ac3,aiff,caf,h264,hevc,m4v,mpegvideo,ivf,nut,mxf,mjpeg,gif,yuv4mpegpipe"

// protocols are the ways to bytes: files that are open already.
const protocols = "file,pipe"

// lastBreath is how long a killed program's pipes may stay open.
const lastBreath = 2 * time.Second

// Check reports whether both programs can be run. Errors: ErrMissing.
func (p Programs) Check() error {
	_, err := p.find("ffmpeg")
	_, err2 := p.find("ffprobe")
	return errors.Join(err, err2)
}

// find is the path of a program.
func (p Programs) find(program string) (string, error) {
	name := p.FFmpeg
	if program == "ffprobe" {
		name = p.FFprobe
	}
	if name == "" {
		name = program
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &Error{Program: program, Text: "the program is not installed, or not on the PATH", Err: fmt.Errorf("%w: %w", ErrMissing, err)}
	}
	return path, nil
}

// inputArgs begin every ffmpeg that reads the open file with the given number.
func inputArgs(number int, before ...string) []string {
	args := []string{"-protocol_whitelist", protocols, "-format_whitelist", formats, "-max_pixels", strconv.Itoa(MaxPixels)}
	return append(append(args, before...), "-i", "file:"+openName(number))
}

// run is one start of a program.
type run struct {
	program string // ffmpeg or ffprobe
	args    []string
	files   []*os.File // the program sees them as openName(0), openName(1), …
	in      io.Reader  // standard input; nil: none
	out     io.Writer  // standard output; nil: dropped
}

// process is a program that runs.
type process struct {
	program string
	errors  tail
	stop    context.CancelFunc
	why     func() error // what ended it early; nil: nothing
	done    chan struct{}
	err     error // once done is closed
}

// start runs a program; wait or kill must follow.
func (p Programs) start(ctx context.Context, r run) (*process, error) {
	path, err := p.find(r.program)
	if err != nil {
		return nil, err
	}
	args := []string{"-v", "error", "-hide_banner"}
	if r.program == "ffmpeg" {
		args = append(args, "-nostdin", "-nostats", "-y")
		if p.Threads > 0 {
			threads := strconv.Itoa(p.Threads)
			args = append(args, "-threads", threads, "-filter_threads", threads, "-filter_complex_threads", threads)
		}
	}
	inner, stop := context.WithCancel(ctx)
	if p.Timeout > 0 {
		stop()
		inner, stop = context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("it ran for more than %v: %w", p.Timeout, context.DeadlineExceeded))
	}
	proc := &process{program: r.program, stop: stop, why: func() error { return context.Cause(inner) }, done: make(chan struct{})}
	cmd := exec.CommandContext(inner, path, append(args, r.args...)...)
	cmd.Env = environment()
	cmd.ExtraFiles = r.files
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.in, r.out, &proc.errors
	cmd.WaitDelay = lastBreath
	setGroup(cmd)
	started := make(chan error)
	go proc.tend(cmd, started)
	if err := <-started; err != nil {
		cause := context.Cause(inner)
		stop()
		if cause != nil {
			return nil, fmt.Errorf("%s: %w", r.program, cause)
		}
		return nil, &Error{Program: r.program, Err: err}
	}
	return proc, nil
}

// wait returns how the program ended.
func (p *process) wait() error {
	<-p.done
	cause := p.why()
	p.stop()
	text := p.errors.text()
	failed := p.err
	switch {
	case cause != nil && failed != nil:
		return fmt.Errorf("%s: %w", p.program, cause)
	case strings.Contains(text, "No space left on device"):
		failed = errors.Join(syscall.ENOSPC, failed)
	case failed == nil && (strings.Contains(text, "Error writing trailer") || strings.Contains(text, "Error closing file")):
		// FFmpeg 5 ends well where only the last bytes of a file could not be written.
		failed = errors.New("the end of the file could not be written")
	}
	if failed == nil {
		return nil
	}
	return &Error{Program: p.program, Text: lastLine(text), Err: failed}
}

// kill ends the program and waits until it is gone.
func (p *process) kill() {
	p.stop()
	<-p.done
}

// do runs a program to its end.
func (p Programs) do(ctx context.Context, r run) error {
	proc, err := p.start(ctx, r)
	if err != nil {
		return err
	}
	return proc.wait()
}

// environment is what a program gets of ours: FFREPORT and the like would have it
// write files, and malloc's settings of a caller are not meant for it.
func environment() []string {
	env := []string{"LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1"}
	for _, name := range []string{"PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tailBytes bounds what is kept of a program's messages.
const tailBytes = 8 << 10

// tail keeps the last bytes written to it. Only the goroutine that copies a
// program's messages writes, and it has ended when they are read.
type tail struct {
	kept []byte
}

// Write implements io.Writer; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-tailBytes):]...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string { return strings.ToValidUTF8(string(t.kept), "?") }

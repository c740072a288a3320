package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"

	"spillway/job"
)

// badBody is the error of a body that could not be read whole, where err is no error of
// the program's own: what is what was sent, most what its limit is.
func badBody(w http.ResponseWriter, err error, what, most string) error {
	if _, known := errors.AsType[*job.Error](err); known {
		return err
	}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, most, "send less")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		return newProblem(http.StatusRequestTimeout, job.DeadlineExceeded, fmt.Sprintf("nothing came for %v", stalled), "send "+what+" again")
	}
	if _, disk := errors.AsType[*os.PathError](err); disk {
		return job.E(job.Unavailable, "", errors.New("the server cannot keep it"), "its disk may be full: try again later")
	}
	return job.E(job.InvalidArgument, "", errors.New("the body ends early, or is no form with parts"), "send "+what+" again, whole")
}

// download sends a file, or the part of it that is asked for, under a name. Browsers
// shall save it and never run it, whatever it is.
func download(w http.ResponseWriter, r *http.Request, file *os.File, name string) error {
	info, err := file.Stat()
	if err != nil {
		return job.E(job.Unavailable, "", errors.New("the file cannot be read"), "try again")
	}
	attach(w, contentType(name), name)
	w.Header().Set("ETag", tagOf(info))
	http.ServeContent(w, r, name, info.ModTime(), file)
	return nil
}

// tagOf is the ETag of a file. What is kept anew is another file under the name, so that
// its inode tells it from one of the same size that is as old as the clock can tell.
func tagOf(info os.FileInfo) string {
	var inode uint64
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprintf(`"%x-%x-%x"`, info.Size(), info.ModTime().UnixNano(), inode)
}

// attach sets the headers of a download.
func attach(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Cache-Control", "private, no-cache")
}

// contentType is that of a picture, a video or a song by its name, and of all else one
// that nothing runs: an SVG is a program, too.
func contentType(name string) string {
	ending := strings.ToLower(path.Ext(name))
	switch ending { // the system's table may lack or misname these
	case ".wav":
		return "audio/wav"
	case ".mp3":
		return "audio/mpeg"
	case ".webp":
		return "image/webp"
	}
	kind := mime.TypeByExtension(ending)
	major, _, _ := strings.Cut(kind, "/")
	if major != "image" && major != "video" && major != "audio" || strings.Contains(kind, "xml") {
		return "application/octet-stream"
	}
	return kind
}

package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"spillway/job"
)

// stalled is how long a song may go without a byte, up or down.
const stalled = time.Minute

// maxParts bounds the parts of a form before its file.
const maxParts = 100

// postMusic keeps the song that r has, as its body or as a part of it.
func (a *API) postMusic(w http.ResponseWriter, r *http.Request) error {
	const much = "a song is 2 GiB at the most"
	if r.ContentLength > musicBytes {
		writeTooLong(w, much)
		return nil
	}
	control := http.NewResponseController(w)
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	r.Body = struct {
		io.Reader
		io.Closer
	}{&flowing{http.MaxBytesReader(w, r.Body, musicBytes), control.SetReadDeadline}, r.Body}
	body, name, err := songBody(r)
	var song job.Music
	if err == nil {
		song, err = a.cfg.Music.Add(r.Context(), body, name)
	}
	switch {
	case err == nil:
		return write(w, musicOf(song))
	case tooLong(err):
		writeTooLong(w, much)
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		newProblem(http.StatusRequestTimeout, job.DeadlineExceeded, fmt.Sprintf("nothing came for %v", stalled), "send the song again").write(w)
		return nil
	}
	if _, known := errors.AsType[*job.Error](err); known || r.Context().Err() != nil {
		return err
	}
	return job.E(job.InvalidArgument, "", errors.New("the body ends early, or is no form with parts"), "send the song again, whole")
}

// songBody is where r has the song, and the name of its file.
func songBody(r *http.Request) (io.Reader, string, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "multipart/") {
		return r.Body, "", nil
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, "", err
	}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		if name := part.FileName(); name != "" {
			return part, name, nil
		}
	}
	return nil, "", job.E(job.InvalidArgument, "", errors.New("no part of the form is a file"), "curl -F file=@song.mp3 makes one that has it")
}

// flowing is a body that may take as long as it likes while bytes come.
type flowing struct {
	in    io.Reader
	until func(time.Time) error
}

func (f *flowing) Read(b []byte) (int, error) {
	_ = f.until(time.Now().Add(stalled)) // writers of tests have none
	return f.in.Read(b)
}

// flow is an answer that may take as long as it likes while bytes go.
type flow struct {
	http.ResponseWriter
	until func(time.Time) error
}

func (f flow) Write(b []byte) (int, error) {
	_ = f.until(time.Now().Add(stalled)) // writers of tests have none
	return f.ResponseWriter.Write(b)
}

// tooLong tells of a body that is longer than it may be.
func tooLong(err error) bool {
	_, long := errors.AsType[*http.MaxBytesError](err)
	return long
}

// writeTooLong answers a body that is longer than it may be.
func writeTooLong(w http.ResponseWriter, what string) {
	newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, what, "send less").write(w)
}

// musicFile sends a track or a mix.
func (a *API) musicFile(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "music", "GET /music lists all")
	if err != nil {
		return err
	}
	name := r.PathValue("file")
	file, err := a.cfg.Music.Open(r.Context(), id, name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return job.E(job.Unavailable, "", errors.New("the file cannot be read"), "try again")
	}
	kind := "audio/wav"
	if strings.HasSuffix(name, ".mp3") {
		kind = "audio/mpeg"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
	control := http.NewResponseController(w)
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	http.ServeContent(flow{w, control.SetWriteDeadline}, r, name, info.ModTime(), file)
	return nil
}

package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"spillway/job"
)

// maxParts bounds the parts of a form before its file.
const maxParts = 100

// postMusic keeps the song that r has, as its body or as a part of it.
func (a *API) postMusic(w http.ResponseWriter, r *http.Request) error {
	const much = "a song is 2 GiB at the most"
	if r.ContentLength > musicBytes {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, much, "send less")
	}
	r.Body = http.MaxBytesReader(w, r.Body, musicBytes)
	body, name, err := songBody(r)
	var song job.Music
	if err == nil {
		song, err = a.cfg.Music.Add(r.Context(), body, name)
	}
	if err == nil {
		return write(w, musicOf(song))
	}
	if r.Context().Err() != nil {
		return err
	}
	return badBody(w, err, "the song", much)
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
	return download(w, r, file, name)
}

package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// Music takes songs apart and mixes what is chosen of their tracks.
type Music interface {
	// Add keeps the song that body has; name is that of its file, or "". Errors:
	// InvalidArgument (it is no song), Unimplemented, Unavailable, those of body.
	Add(ctx context.Context, body io.Reader, name string) (job.Music, error)
	// Choose asks for a mix, and returns at once. Errors: NotFound, Unavailable.
	Choose(ctx context.Context, id int64, mix job.Mix) error
	// Song is one of Songs, which are all. Errors: NotFound, Unavailable.
	Song(ctx context.Context, id int64) (job.Music, error)
	Songs(ctx context.Context) ([]job.Music, error)
	// Percent is how much of what was asked of a song is done, 0 to 100.
	Percent(song job.Music) int
	// Part is one of Parts, which are those of all songs. Errors: NotFound, Unavailable.
	Part(ctx context.Context, song int64, number int) (job.MusicPart, error)
	Parts(ctx context.Context) ([]job.MusicPart, error)
	// Open opens a track or a mix by its name. Errors: NotFound, Unavailable.
	Open(ctx context.Context, id int64, name string) (*os.File, error)
	// Reset cancels all work and removes all songs. Errors: Unavailable.
	Reset(ctx context.Context) error
}

// musicBytes bounds a song, in bytes.
const musicBytes = 2 << 30

// resetTime bounds how long a reset waits for what runs.
const resetTime = 2 * time.Minute

type (
	trackJSON struct {
		Name string `json:"name" doc:"vocals, drums, bass or other" example:"vocals"`
		ID   int64  `json:"track_id"`
	}
	musicJSON struct {
		ID     int64       `json:"music_id"`
		Name   string      `json:"name" doc:"the title in the song's tags; else the name of its file; else unknown"`
		Band   string      `json:"band" doc:"the artist in the song's tags; else unknown"`
		Tracks []trackJSON `json:"tracks"`
	}
	instrumentJSON struct {
		Name  string `json:"name" example:"vocals"`
		Track string `json:"track" doc:"the URL of the track, a WAV file"`
	}
	progressJSON struct {
		Progress    int              `json:"progress" doc:"how much of what was asked for is done, in percent"`
		Instruments []instrumentJSON `json:"instruments" doc:"the tracks, once they are there"`
		Final       string           `json:"final" doc:"the URL of the mix of the chosen tracks, an MP3 file; empty until it is there"`
		Error       string           `json:"error,omitempty" doc:"why the work ended without the mix; left out where it did not"`
		Hint        string           `json:"hint,omitempty" doc:"what to do about it"`
	}
	musicJobJSON struct {
		ID    int64   `json:"job_id"`
		Size  int64   `json:"size" doc:"bytes of the song's file that are the part's"`
		Time  float64 `json:"time" doc:"seconds that the track took in this part, whose four tracks are made together and share the time; 0 until it is done"`
		Music int64   `json:"music_id"`
		Track int64   `json:"track_id"`
	}
	resetJSON struct {
		Message string `json:"message" example:"all music is removed"`
	}
	musicListJSON []musicJSON
	idsJSON       []int64
)

// addMusic declares the calls for music.
func (a *API) addMusic() {
	if a.cfg.Music == nil {
		return
	}
	op := func(id, method, path, summary string) huma.Operation {
		o := huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"music"}, Summary: summary}
		for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			kind := huma.TypeInteger
			if name[1] == "file" {
				kind = huma.TypeString
			}
			o.Parameters = append(o.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: kind}})
		}
		return o
	}
	add := op("add-music", http.MethodPost, "/music", "Upload a song")
	add.Description = "As the body itself, or as the first file of a form with parts. MP3, FLAC, WAV, OGG, Opus, M4A and AAC are taken, of 2 GiB and two hours at the most."
	file := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	add.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: file}, "audio/mpeg": {Schema: file},
		"multipart/form-data": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"file": file}}},
	}}
	add.Responses = a.answers(answer[musicJSON](a, http.StatusOK, "Kept"), http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	a.stream(add, by(job.Operator), a.postMusic)

	list := op("music", http.MethodGet, "/music", "List the songs")
	list.Responses = a.answers(answer[musicListJSON](a, http.StatusOK, "All, by id"))
	a.stream(list, by(job.Viewer), a.getMusic)

	choose := op("choose-tracks", http.MethodPost, "/music/{id}", "Have a song taken apart, and some of its tracks mixed")
	choose.Description = "Answers at once; GET of the same path tells how it goes. Asked again with other tracks, another mix is made of what was taken apart."
	choose.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema[idsJSON](a)}}}
	choose.Responses = a.answers(answer[progressJSON](a, http.StatusOK, "Begun"), http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge)
	a.stream(choose, by(job.Operator), a.chooseTracks)

	progress := op("music-progress", http.MethodGet, "/music/{id}", "How far a song is")
	progress.Responses = a.answers(answer[progressJSON](a, http.StatusOK, "Its progress, and what there is of it"), http.StatusNotFound)
	a.stream(progress, by(job.Viewer), a.musicProgress)

	fetch := op("music-file", http.MethodGet, "/music/{id}/{file}", "Fetch a track or a mix")
	fetch.Description = "By the URLs that GET /music/{id} has. ETag and Range are understood."
	fetch.Responses = a.answers(described{http.StatusOK, &huma.Response{Description: "The file", Content: map[string]*huma.MediaType{
		"audio/wav": {Schema: file}, "audio/mpeg": {Schema: file},
	}}}, http.StatusNotFound)
	a.stream(fetch, by(job.Viewer), a.musicFile)

	jobs := op("music-jobs", http.MethodGet, "/job", "List the works on songs: one for each track in each part")
	jobs.Responses = a.answers(answer[idsJSON](a, http.StatusOK, "Their ids"))
	a.stream(jobs, by(job.Viewer), a.musicJobs)

	one := op("music-job", http.MethodGet, "/job/{id}", "One work on a song")
	one.Responses = a.answers(answer[musicJobJSON](a, http.StatusOK, "The work"), http.StatusNotFound)
	a.stream(one, by(job.Viewer), a.musicJob)

	reset := op("reset-music", http.MethodPost, "/reset", "Cancel the work on all songs, and remove them")
	reset.Responses = a.answers(answer[resetJSON](a, http.StatusOK, "All are gone"))
	a.stream(reset, by(job.Admin), a.resetMusic)
}

func musicOf(m job.Music) musicJSON {
	out := musicJSON{ID: m.ID, Name: m.Name, Band: m.Band}
	for _, t := range m.Tracks() {
		out.Tracks = append(out.Tracks, trackJSON{t.Name, t.ID})
	}
	return out
}

func (a *API) getMusic(w http.ResponseWriter, r *http.Request) error {
	songs, err := a.cfg.Music.Songs(r.Context())
	if err != nil {
		return err
	}
	out := make(musicListJSON, len(songs))
	for i, m := range songs {
		out[i] = musicOf(m)
	}
	return write(w, out)
}

// pathID is the id in r's path. Errors: NotFound, for whatever is no id.
func pathID(r *http.Request, what, hint string) (int64, error) {
	return idOf(r.PathValue("id"), 1, job.E(job.NotFound, "", fmt.Errorf("there is no %s of that id", what), hint))
}

// song is the one in r's path. Errors: NotFound, Unavailable.
func (a *API) song(r *http.Request) (job.Music, error) {
	id, err := pathID(r, "music", "GET /music lists all")
	if err != nil {
		return job.Music{}, err
	}
	return a.cfg.Music.Song(r.Context(), id)
}

func (a *API) chooseTracks(w http.ResponseWriter, r *http.Request) error {
	song, err := a.song(r)
	if err != nil {
		return err
	}
	var ids []int64
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, smallBody))
	err = body.Decode(&ids)
	if err == nil {
		if _, more := body.Token(); !errors.Is(more, io.EOF) {
			err = cmp.Or(more, errors.New("more than one value"))
		}
	}
	if err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return unreadable("", err)
		}
		return job.E(job.InvalidArgument, "", errors.New("the body is no JSON array of track ids"), "send one such as [1, 3]; GET /music lists them")
	}
	mix, err := song.Choice(ids)
	if job.CodeOf(err) == job.NotFound {
		w.Header().Set("Allow", "GET, HEAD, POST")
		newProblem(http.StatusMethodNotAllowed, job.NotFound, err.Error(), job.HintOf(err)).write(w)
		return nil
	}
	if err != nil {
		return err
	}
	if err := a.cfg.Music.Choose(r.Context(), song.ID, mix); err != nil {
		return err
	}
	return a.musicProgress(w, r)
}

func (a *API) musicProgress(w http.ResponseWriter, r *http.Request) error {
	song, err := a.song(r)
	if err != nil {
		return err
	}
	out := progressJSON{Progress: a.cfg.Music.Percent(song), Instruments: []instrumentJSON{}}
	base := fmt.Sprintf("%s/music/%d/", self(r), song.ID)
	if song.Separated {
		for _, t := range song.Tracks() {
			out.Instruments = append(out.Instruments, instrumentJSON{t.Name, base + t.Name + ".wav"})
		}
	}
	if song.Done() {
		out.Final = base + song.Chosen.File()
	}
	if song.Err != nil {
		p := problemOf(song.Err)
		out.Error, out.Hint = p.What, p.Hint
	}
	return write(w, out)
}

// self is how the caller reaches this server, "http://HOST:PORT"; "" where the
// request's own word for it could be anything.
func self(r *http.Request) string {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._:[]-", c)
	}
	if r.Host == "" || strings.ContainsFunc(r.Host, odd) {
		return ""
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (a *API) musicJobs(w http.ResponseWriter, r *http.Request) error {
	parts, err := a.cfg.Music.Parts(r.Context())
	if err != nil {
		return err
	}
	ids := idsJSON{}
	for _, p := range parts {
		for _, j := range p.Jobs() {
			ids = append(ids, j.ID)
		}
	}
	return write(w, ids)
}

func (a *API) musicJob(w http.ResponseWriter, r *http.Request) error {
	const hint = "GET /job lists all"
	id, err := pathID(r, "job", hint)
	if err != nil {
		return err
	}
	music, number := job.PartOfMusicJob(id)
	part, err := a.cfg.Music.Part(r.Context(), music, number)
	if err != nil {
		return err
	}
	for _, j := range part.Jobs() {
		if j.ID == id {
			return write(w, musicJobJSON{j.ID, j.Bytes, j.Took.Seconds(), j.Music, j.Track})
		}
	}
	return job.E(job.NotFound, "", errors.New("there is no such job"), hint)
}

func (a *API) resetMusic(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), resetTime)
	defer cancel()
	if err := a.cfg.Music.Reset(ctx); err != nil {
		return err
	}
	return write(w, resetJSON{"all music is removed"})
}

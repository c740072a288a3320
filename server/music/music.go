// Package music takes songs apart and mixes what was chosen of their tracks: the loop
// behind the HTTP API's calls about music.
//
// A song has a folder of its own, DIR/ID, with the song in input_dir. Its first choice
// of tracks submits one job of the operation [job.Stems], whose tasks are the song's
// parts; the tracks in output_dir are made once, and every choice is mixed from them.
// All that is to be known after a restart is in the store.
package music

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"spillway/confine"
	"spillway/job"
	"spillway/native/ffmpeg"
)

// Store keeps songs; see the methods of store.SQL.
type Store interface {
	AddMusic(ctx context.Context, m job.Music, place func(id int64) error) (job.Music, error)
	Music(ctx context.Context, id int64) (job.Music, error)
	AllMusic(ctx context.Context) ([]job.Music, error)
	ChooseMusic(ctx context.Context, id int64, mix job.Mix) error
	SetMusic(ctx context.Context, m job.Music) error
	ClearMusic(ctx context.Context) error
	KeepMusicParts(ctx context.Context, music int64, parts []job.MusicPart) error
	MusicParts(ctx context.Context) ([]job.MusicPart, error)
	MusicPart(ctx context.Context, music int64, number int) (job.MusicPart, error)
}

// Config of the work on music.
type Config struct {
	// Dir is the absolute path of the folder for the songs, below a root of the
	// server. It is of one server alone, and made where it is missing.
	Dir string
	// Songs is how many are worked on at once; the others wait. Default 4.
	Songs int
	// Longest bounds the length of a song, whose tracks take 40 MB a minute. Default
	// 2 h.
	Longest time.Duration
	// Probe bounds the time for looking a new song through. Default 1 min.
	Probe time.Duration
	// Programs are FFmpeg's.
	Programs ffmpeg.Programs
}

// Music works on songs. All its methods may be called concurrently.
type Music struct {
	cfg   Config
	jobs  job.Service
	store Store
	log   *slog.Logger
	mixer mixer
	wake  chan struct{} // has one while something may be due
	mixes chan struct{} // full while a mix is made: encoders take a core each

	// settling is held while songs begin or are chosen from, and through a reset, so
	// that nothing begins in its midst.
	settling sync.Mutex

	mu      sync.Mutex
	works   map[int64]*work // guarded by mu
	percent map[int64]int   // of the songs that are worked on; guarded by mu
}

// mixer makes the file out of the tracks in dir that mix has, with the tags of source.
type mixer func(ctx context.Context, out *os.File, source *os.File, tracks []*os.File) error

// work is what goes on for one song.
type work struct {
	stop context.CancelFunc
	done chan struct{}
}

// New starts nothing. Errors: FailedPrecondition (the folder cannot be made).
func New(cfg Config, jobs job.Service, store Store, log *slog.Logger) (*Music, error) {
	if cfg.Songs == 0 {
		cfg.Songs = 4
	}
	if cfg.Longest == 0 {
		cfg.Longest = 2 * time.Hour
	}
	if cfg.Probe == 0 {
		cfg.Probe = time.Minute
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, job.E(job.FailedPrecondition, "make the folder for music", err, "the server must be able to write there")
	}
	m := &Music{
		cfg: cfg, jobs: jobs, store: store, log: log,
		wake: make(chan struct{}, 1), mixes: make(chan struct{}, 1), works: map[int64]*work{}, percent: map[int64]int{},
	}
	m.mixer = m.mix
	return m, nil
}

// folder is that of a song.
func (m *Music) folder(id int64) string { return filepath.Join(m.cfg.Dir, strconv.FormatInt(id, 10)) }

// Add keeps the song that body has. It goes to disk as it comes; what body ends with
// as an error undoes it and is returned. name is that of its file, for a song whose
// tags have no title; "" where there is none.
//
// Errors: InvalidArgument (no song, cut off, too long), FailedPrecondition (the disk is full, FFmpeg is missing),
// Unavailable, those of body.
func (m *Music) Add(ctx context.Context, body io.Reader, name string) (job.Music, error) {
	at, err := os.MkdirTemp(m.cfg.Dir, job.HiddenPrefix)
	if err != nil {
		return job.Music{}, diskError(err)
	}
	song, err := m.add(ctx, &at, body, name)
	if err != nil {
		_ = os.RemoveAll(at) // Run removes what stays
	}
	return song, err
}

// add is Add with the song's folder made. It keeps in at where that is.
func (m *Music) add(ctx context.Context, at *string, body io.Reader, name string) (job.Music, error) {
	inputs := filepath.Join(*at, job.InputDir)
	if err := errors.Join(os.Chmod(*at, 0o755), os.Mkdir(inputs, 0o755), os.Mkdir(filepath.Join(*at, job.OutputDir), 0o755)); err != nil {
		return job.Music{}, diskError(err)
	}
	file, err := os.Create(filepath.Join(inputs, job.HiddenPrefix+"song"))
	if err != nil {
		return job.Music{}, diskError(err)
	}
	defer file.Close()
	from := &source{in: body}
	size, err := io.Copy(file, from)
	if from.err != nil {
		return job.Music{}, from.err
	}
	if err != nil {
		return job.Music{}, diskError(err)
	}
	song, err := m.look(ctx, file)
	if err != nil {
		return job.Music{}, err
	}
	if song.Name == "" {
		song.Name = shown(strings.TrimSuffix(filepath.Base("/"+name), filepath.Ext(name)))
	}
	if song.Name == "" || song.Name == "/" {
		song.Name = unknown
	}
	if song.Band == "" {
		song.Band = unknown
	}
	song.Bytes, song.Created = size, time.Now()
	if err := errors.Join(file.Sync(), os.Rename(file.Name(), filepath.Join(inputs, song.File))); err != nil {
		return job.Music{}, diskError(err)
	}
	m.settling.Lock()
	defer m.settling.Unlock()
	return m.store.AddMusic(ctx, song, func(id int64) error {
		if err := os.Rename(*at, m.folder(id)); err != nil {
			return diskError(err)
		}
		*at = m.folder(id)
		return nil
	})
}

// unknown stands for the name and the band of a song that does not tell.
const unknown = "unknown"

// source remembers how reading ended, to tell it from how writing did.
type source struct {
	in  io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// diskError is for an error of the folder for music.
func diskError(err error) error {
	if _, known := errors.AsType[*job.Error](err); known {
		return err
	}
	return job.E(job.Unavailable, "keep the song", confine.WithoutPath(err), "the server's disk may be full, or not writable")
}

// Choose asks for the mix of a song. The work goes on in Run. Errors: NotFound, Unavailable.
func (m *Music) Choose(ctx context.Context, id int64, mix job.Mix) error {
	m.settling.Lock()
	defer m.settling.Unlock()
	if err := m.store.ChooseMusic(ctx, id, mix); err != nil {
		return err
	}
	m.nudge()
	return nil
}

// nudge has Run look for what is due.
func (m *Music) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Song is the song with that id. Errors: NotFound, Unavailable.
func (m *Music) Song(ctx context.Context, id int64) (job.Music, error) { return m.store.Music(ctx, id) }

// Songs are all, by id. Errors: Unavailable.
func (m *Music) Songs(ctx context.Context) ([]job.Music, error) { return m.store.AllMusic(ctx) }

// Percent is how much of what was asked of the song is done: 0 to 100, and 100 only
// once the mix is there. Its tracks count for 90.
func (m *Music) Percent(song job.Music) int {
	switch {
	case song.Done():
		return 100
	case song.Chosen == 0:
		return 0
	case song.Separated:
		return separated
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.percent[song.ID]
}

// separated is the percentage once a song's tracks are there.
const separated = 90

// Parts are those of all songs that were begun, by song and number. Errors: Unavailable.
func (m *Music) Parts(ctx context.Context) ([]job.MusicPart, error) { return m.store.MusicParts(ctx) }

// Part is one of them. Errors: NotFound, Unavailable.
func (m *Music) Part(ctx context.Context, song int64, number int) (job.MusicPart, error) {
	return m.store.MusicPart(ctx, song, number)
}

// Open opens a track, by the name that [job.SongOutputs] gives it without the
// song's, such as "vocals.wav", or a mix by [job.Mix.File].
// Errors: NotFound.
func (m *Music) Open(ctx context.Context, id int64, name string) (*os.File, error) {
	song, err := m.store.Music(ctx, id)
	if err != nil {
		return nil, err
	}
	none := job.E(job.NotFound, "", fmt.Errorf("music %d has no such file", id), "GET /music/"+strconv.FormatInt(id, 10)+" has the URLs of all there are")
	if !song.Separated {
		return nil, none
	}
	for i, stem := range job.StemNames() {
		if name == stem+".wav" {
			return orNone(none)(os.Open(m.track(song, i)))
		}
	}
	for mix := job.Mix(1); mix < 1<<len(job.StemNames()); mix++ {
		if name == mix.File() {
			return orNone(none)(os.Open(filepath.Join(m.folder(id), name)))
		}
	}
	return nil, none
}

// orNone gives none for a file that cannot be opened.
func orNone(none error) func(*os.File, error) (*os.File, error) {
	return func(f *os.File, err error) (*os.File, error) {
		if err != nil {
			return nil, none
		}
		return f, nil
	}
}

// track is the path of a song's track.
func (m *Music) track(song job.Music, stem int) string {
	names := job.SongOutputs(job.Stems, song.File, job.Args{"format": "wav"})
	return filepath.Join(m.folder(song.ID), job.OutputDir, names[stem])
}

package job

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Music is a song that was given to the HTTP API to be taken apart and mixed anew. It
// has one track for each of [StemNames].
type Music struct {
	// ID is from 1 and never used again, even after a reset.
	ID int64
	// Name and Band are the song's title and artist, or what stood in for them.
	Name, Band string
	// File is the song's name in input_dir.
	File string
	// Bytes is its size.
	Bytes   int64
	Created time.Time
	// Chosen are the tracks that were last asked for; none: nothing was.
	Chosen Mix
	// Job is the one that takes the song apart; "": none yet, or the last one failed.
	Job ID
	// Separated tells that the tracks are there.
	Separated bool
	// Mixed is the last choice whose mix is there.
	Mixed Mix
	// Err says why the work on the last choice ended; nil: it goes on, or is done.
	Err *Error
}

// Mix is a choice of tracks: bit i stands for the track of StemNames()[i].
type Mix uint8

// Has tells whether the stem of that index is in the mix.
func (m Mix) Has(stem int) bool { return m&(1<<stem) != 0 }

// File is the name of the file that holds the mix.
func (m Mix) File() string { return "final-" + strconv.Itoa(int(m)) + ".mp3" }

// Track is one of the four of a song.
type Track struct {
	ID   int64
	Name string // of the stem
}

// Tracks are those of the song, in the order of [StemNames]. Their ids are counted
// over all songs.
func (m Music) Tracks() []Track {
	names := StemNames()
	tracks := make([]Track, len(names))
	for i, name := range names {
		tracks[i] = Track{ID: (m.ID-1)*int64(len(names)) + int64(i) + 1, Name: name}
	}
	return tracks
}

// Choice is the mix of the tracks with the ids, each of which counts once.
// Errors: NotFound (a track that is not the song's), InvalidArgument (none).
func (m Music) Choice(ids []int64) (Mix, error) {
	const hint = "GET /music lists the songs and the ids of their tracks"
	var mix Mix
	tracks := m.Tracks()
	for _, id := range ids {
		stem := slices.IndexFunc(tracks, func(t Track) bool { return t.ID == id })
		if stem < 0 {
			return 0, E(NotFound, "", fmt.Errorf("music %d has no track %d", m.ID, id), hint)
		}
		mix |= 1 << stem
	}
	if mix == 0 {
		return 0, E(InvalidArgument, "", errors.New("no track is chosen"), hint)
	}
	return mix, nil
}

// Done tells that nothing is left to do for what was asked.
func (m Music) Done() bool { return m.Chosen != 0 && m.Separated && m.Mixed == m.Chosen }

// Due tells that there is something to do.
func (m Music) Due() bool { return m.Chosen != 0 && !m.Done() && m.Err == nil }

// MusicPart is a piece of a song that one task takes apart.
type MusicPart struct {
	Music  int64
	Number int // from 1 to MaxSongParts
	// Bytes is the piece's share of the song's file.
	Bytes int64
	// Took is how long a node worked on it; 0 while it has not ended.
	Took time.Duration
}

// MusicJob is the work on one track in one piece of a song.
type MusicJob struct {
	ID    int64
	Bytes int64 // of the piece
	// Took is the track's share of the time that the piece took, whose tracks are
	// made together: all shares add up to the work that was done.
	Took         time.Duration
	Music, Track int64
}

// Jobs are the works on the part, one for each track.
func (p MusicPart) Jobs() []MusicJob {
	tracks := Music{ID: p.Music}.Tracks()
	jobs := make([]MusicJob, len(tracks))
	first := ((p.Music-1)*MaxSongParts+int64(p.Number-1))*int64(len(tracks)) + 1
	for i, t := range tracks {
		jobs[i] = MusicJob{ID: first + int64(i), Bytes: p.Bytes, Took: p.Took / time.Duration(len(tracks)), Music: p.Music, Track: t.ID}
	}
	return jobs
}

// PartOfMusicJob says which part of which song the work with the id is on. The ids of
// what there is not give parts that there are not.
func PartOfMusicJob(id int64) (music int64, number int) {
	if id < 1 {
		return 0, 0
	}
	chunk := (id - 1) / int64(len(StemNames()))
	return chunk/MaxSongParts + 1, int(chunk%MaxSongParts) + 1
}

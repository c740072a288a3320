package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"spillway/job"
)

// noMusic is the error for a song that there is not.
func noMusic(id int64) error {
	return job.E(job.NotFound, "", fmt.Errorf("there is no music %d", id), "GET /music lists all")
}

// noMusicJob is the error for a piece of work on a song that there is not.
func noMusicJob() error {
	return job.E(job.NotFound, "", errors.New("there is no such job"), "GET /job lists all")
}

// AddMusic keeps a new song, of which ID and all that was done are left aside, under
// the next id. It calls place with that id before it commits, maybe again with another
// one, and keeps nothing where that fails. place must not call the store.
// Errors: those of place, Unavailable.
func (s *SQL) AddMusic(ctx context.Context, m job.Music, place func(id int64) error) (job.Music, error) {
	err := s.write(ctx, "add music", func(tx *sql.Tx) error {
		m = job.Music{Name: plain(m.Name), Band: plain(m.Band), File: plain(m.File), Bytes: m.Bytes, Created: m.Created}
		err := tx.QueryRowContext(ctx, s.dialect.sql("INSERT INTO music (name, band, file, bytes, created, chosen, job, separated, mixed, error) "+
			"VALUES (?, ?, ?, ?, ?, 0, '', 0, 0, '') RETURNING id"), m.Name, m.Band, m.File, m.Bytes, nanos(m.Created)).Scan(&m.ID)
		if err != nil {
			return err
		}
		return place(m.ID)
	})
	if err != nil {
		return job.Music{}, err
	}
	return m, nil
}

// musicColumns are those that scanMusic reads.
const musicColumns = "id, name, band, file, bytes, created, chosen, job, separated, mixed, error"

func scanMusic(scan func(...any) error) (job.Music, error) {
	var m job.Music
	var created int64
	var separated int
	var failure string
	if err := scan(&m.ID, &m.Name, &m.Band, &m.File, &m.Bytes, &created, &m.Chosen, &m.Job, &separated, &m.Mixed, &failure); err != nil {
		return m, err
	}
	m.Created, m.Separated = moment(created), separated != 0
	var err error
	m.Err, err = decodeError(failure)
	return m, err
}

// Music is the song with that id. Errors: NotFound, Unavailable.
func (s *SQL) Music(ctx context.Context, id int64) (job.Music, error) {
	var m job.Music
	err := s.read(ctx, "read music", func(tx *sql.Tx) (err error) {
		m, err = scanMusic(tx.QueryRowContext(ctx, s.dialect.sql("SELECT "+musicColumns+" FROM music WHERE id = ?"), id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return noMusic(id)
		}
		return err
	})
	return m, err
}

// AllMusic are the songs, by id. Errors: Unavailable.
func (s *SQL) AllMusic(ctx context.Context) ([]job.Music, error) {
	var all []job.Music
	err := s.read(ctx, "list music", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			m, err := scanMusic(scan)
			all = append(all, m)
			return err
		}, "SELECT "+musicColumns+" FROM music ORDER BY id")
	})
	return all, err
}

// ChooseMusic keeps which tracks are asked for, and forgets why the last choice was
// not done. Errors: NotFound, Unavailable.
func (s *SQL) ChooseMusic(ctx context.Context, id int64, mix job.Mix) error {
	return s.write(ctx, "choose tracks", func(tx *sql.Tx) error {
		return s.changeMusic(ctx, tx, id, "chosen = ?, error = ''", int(mix))
	})
}

// SetMusic keeps what was done for a song: Job, Separated, Mixed and Err of m. What was
// chosen meanwhile stays, and has not failed: Err is of the choice that m has.
// Errors: NotFound, Unavailable.
func (s *SQL) SetMusic(ctx context.Context, m job.Music) error {
	failure, err := encodeError(m.Err)
	if err != nil {
		return err
	}
	separated := 0
	if m.Separated {
		separated = 1
	}
	return s.write(ctx, "change music", func(tx *sql.Tx) error {
		return s.changeMusic(ctx, tx, m.ID, "job = ?, separated = ?, mixed = ?, error = CASE WHEN chosen = ? THEN ? ELSE error END",
			plain(string(m.Job)), separated, int(m.Mixed), int(m.Chosen), failure)
	})
}

func (s *SQL) changeMusic(ctx context.Context, tx *sql.Tx, id int64, set string, args ...any) error {
	n, err := s.exec(ctx, tx, "UPDATE music SET "+set+" WHERE id = ?", append(slices.Clone(args), id)...)
	if err == nil && n == 0 {
		return noMusic(id)
	}
	return err
}

// ClearMusic forgets all songs and the work on them. Errors: Unavailable.
func (s *SQL) ClearMusic(ctx context.Context) error {
	return s.write(ctx, "clear music", func(tx *sql.Tx) error {
		if _, err := s.exec(ctx, tx, "DELETE FROM music_parts"); err != nil {
			return err
		}
		_, err := s.exec(ctx, tx, "DELETE FROM music")
		return err
	})
}

// KeepMusicParts keeps all that is known of the parts of a song, in place of what was.
// Errors: NotFound (the song), Unavailable.
func (s *SQL) KeepMusicParts(ctx context.Context, music int64, parts []job.MusicPart) error {
	return s.write(ctx, "keep parts of music", func(tx *sql.Tx) error {
		if err := s.changeMusic(ctx, tx, music, "file = file"); err != nil {
			return err
		}
		if _, err := s.exec(ctx, tx, "DELETE FROM music_parts WHERE music = ?", music); err != nil {
			return err
		}
		for _, p := range parts {
			if _, err := s.exec(ctx, tx, "INSERT INTO music_parts (music, number, bytes, took) VALUES (?, ?, ?, ?)", music, p.Number, p.Bytes, int64(p.Took)); err != nil {
				return err
			}
		}
		return nil
	})
}

// MusicParts are the parts of all songs, by song and number. Errors: Unavailable.
func (s *SQL) MusicParts(ctx context.Context) ([]job.MusicPart, error) {
	var all []job.MusicPart
	err := s.read(ctx, "list parts of music", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			var p job.MusicPart
			err := scan(&p.Music, &p.Number, &p.Bytes, (*int64)(&p.Took))
			all = append(all, p)
			return err
		}, "SELECT music, number, bytes, took FROM music_parts ORDER BY music, number")
	})
	return all, err
}

// MusicPart is one part of a song. Errors: NotFound, Unavailable.
func (s *SQL) MusicPart(ctx context.Context, music int64, number int) (job.MusicPart, error) {
	p := job.MusicPart{Music: music, Number: number}
	err := s.read(ctx, "read part of music", func(tx *sql.Tx) error {
		var took int64
		err := tx.QueryRowContext(ctx, s.dialect.sql("SELECT bytes, took FROM music_parts WHERE music = ? AND number = ?"), music, number).Scan(&p.Bytes, &took)
		p.Took = time.Duration(took)
		if errors.Is(err, sql.ErrNoRows) {
			return noMusicJob()
		}
		return err
	})
	if err != nil {
		return job.MusicPart{}, err
	}
	return p, nil
}

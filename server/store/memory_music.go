package store

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"spillway/job"
)

// songs are those of a [Memory], and the parts of each.
type songs struct {
	last  int64 // id
	kept  map[int64]job.Music
	parts map[int64][]job.MusicPart
}

// AddMusic is as that of [SQL].
func (m *Memory) AddMusic(ctx context.Context, song job.Music, place func(id int64) error) (job.Music, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.Music{}, err
	}
	defer leave()
	m.songs.last++
	song = job.Music{ID: m.songs.last, Name: plain(song.Name), Band: plain(song.Band), File: plain(song.File), Bytes: song.Bytes, Created: song.Created}
	if err := place(song.ID); err != nil {
		return job.Music{}, err
	}
	m.songs.kept[song.ID] = song
	return song, nil
}

// Music is as that of [SQL].
func (m *Memory) Music(ctx context.Context, id int64) (job.Music, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.Music{}, err
	}
	defer leave()
	song, ok := m.songs.kept[id]
	if !ok {
		return job.Music{}, noMusic(id)
	}
	return song, nil
}

// AllMusic is as that of [SQL].
func (m *Memory) AllMusic(ctx context.Context) ([]job.Music, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.SortedFunc(maps.Values(m.songs.kept), func(a, b job.Music) int { return cmp.Compare(a.ID, b.ID) }), nil
}

// change has f change a song.
func (m *Memory) change(ctx context.Context, id int64, f func(*job.Music)) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	song, ok := m.songs.kept[id]
	if !ok {
		return noMusic(id)
	}
	f(&song)
	m.songs.kept[id] = song
	return nil
}

// ChooseMusic is as that of [SQL].
func (m *Memory) ChooseMusic(ctx context.Context, id int64, mix job.Mix) error {
	return m.change(ctx, id, func(song *job.Music) { song.Chosen, song.Err = mix, nil })
}

// SetMusic is as that of [SQL].
func (m *Memory) SetMusic(ctx context.Context, song job.Music) error {
	return m.change(ctx, song.ID, func(kept *job.Music) {
		kept.Job, kept.Separated, kept.Mixed = song.Job, song.Separated, song.Mixed
		if kept.Chosen == song.Chosen {
			kept.Err = recordOf(song.Err).toError()
		}
	})
}

// ClearMusic is as that of [SQL].
func (m *Memory) ClearMusic(ctx context.Context) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	clear(m.songs.kept)
	clear(m.songs.parts)
	return nil
}

// KeepMusicParts is as that of [SQL].
func (m *Memory) KeepMusicParts(ctx context.Context, music int64, parts []job.MusicPart) error {
	return m.change(ctx, music, func(*job.Music) {
		own := slices.Clone(parts)
		for i := range own {
			own[i].Music = music
		}
		slices.SortFunc(own, func(a, b job.MusicPart) int { return cmp.Compare(a.Number, b.Number) })
		m.songs.parts[music] = own
	})
}

// MusicParts is as that of [SQL].
func (m *Memory) MusicParts(ctx context.Context) ([]job.MusicPart, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var all []job.MusicPart
	for _, id := range slices.Sorted(maps.Keys(m.songs.parts)) {
		all = append(all, m.songs.parts[id]...)
	}
	return all, nil
}

// MusicPart is as that of [SQL].
func (m *Memory) MusicPart(ctx context.Context, music int64, number int) (job.MusicPart, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.MusicPart{}, err
	}
	defer leave()
	for _, p := range m.songs.parts[music] {
		if p.Number == number {
			return p, nil
		}
	}
	return job.MusicPart{}, noMusicJob()
}

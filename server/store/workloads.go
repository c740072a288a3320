package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"spillway/job"
)

// workloadColumns are those that scanWorkload reads.
const workloadColumns = "id, name, dir, filter, created, images"

func scanWorkload(scan func(...any) error) (job.Workload, error) {
	var w job.Workload
	var filter string
	var created int64
	if err := scan(&w.ID, &w.Name, &w.Dir, &filter, &created, &w.Images); err != nil {
		return w, err
	}
	w.Created = moment(created)
	var err error
	w.Filter, err = job.ParseOperation(filter)
	return w, err
}

// AddWorkload keeps a new workload, of which it chooses ID and Dir. Errors: Unavailable.
func (s *SQL) AddWorkload(ctx context.Context, w job.Workload) (job.Workload, error) {
	err := s.write(ctx, "add workload", func(tx *sql.Tx) error {
		w.Images = 0
		err := tx.QueryRowContext(ctx, s.dialect.sql("INSERT INTO workloads (name, dir, filter, created, images) VALUES (?, ?, ?, ?, 0) RETURNING id"),
			w.Name, job.HiddenPrefix+string(job.NewID()), w.Filter.String(), nanos(w.Created)).Scan(&w.ID)
		if err != nil {
			return err
		}
		for w.Dir = w.Name; ; w.Dir = fmt.Sprintf("%s.%d", w.Dir, w.ID) {
			var n int
			if err := tx.QueryRowContext(ctx, s.dialect.sql("SELECT COUNT(*) FROM workloads WHERE dir = ?"), w.Dir).Scan(&n); err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
		_, err = s.exec(ctx, tx, "UPDATE workloads SET dir = ? WHERE id = ?", w.Dir, w.ID)
		return err
	})
	return w, err
}

// Workload is the workload with that id. Errors: NotFound, Unavailable.
func (s *SQL) Workload(ctx context.Context, id int64) (w job.Workload, err error) {
	err = s.read(ctx, "read workload", func(tx *sql.Tx) (err error) {
		w, err = scanWorkload(tx.QueryRowContext(ctx, s.dialect.sql("SELECT "+workloadColumns+" FROM workloads WHERE id = ?"), id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return job.NoWorkload(id)
		}
		return err
	})
	return w, err
}

// Workloads are at most so many behind the one with id after, by id. Errors: Unavailable.
func (s *SQL) Workloads(ctx context.Context, after int64, most int) (all []job.Workload, err error) {
	err = s.read(ctx, "list workloads", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			w, err := scanWorkload(scan)
			all = append(all, w)
			return err
		}, "SELECT "+workloadColumns+" FROM workloads WHERE id > ? ORDER BY id LIMIT ?", after, most)
	})
	return all, err
}

// openImages selects the images that are neither done nor failed, as their index has it.
const openImages = "state IN ('arriving', 'waiting', 'working')"

// OpenWorkloads are at most so many behind the one with id after, by id, that have images
// that are neither done nor failed; with idle also those that have none at all yet.
// Errors: Unavailable.
func (s *SQL) OpenWorkloads(ctx context.Context, idle bool, after int64, most int) (all []job.Workload, err error) {
	ids := "SELECT workload FROM images WHERE " + openImages
	if idle {
		ids += " UNION SELECT id FROM workloads WHERE images = 0"
	}
	err = s.read(ctx, "list workloads", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			w, err := scanWorkload(scan)
			all = append(all, w)
			return err
		}, "SELECT "+workloadColumns+" FROM workloads WHERE id > ? AND id IN ("+ids+") ORDER BY id LIMIT ?", after, most)
	})
	return all, err
}

// WorkloadProgress is how far a workload is. Errors: Unavailable.
func (s *SQL) WorkloadProgress(ctx context.Context, id int64) (p job.Progress, err error) {
	err = s.read(ctx, "count images", func(tx *sql.Tx) error {
		p = job.Progress{}
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var state job.ImageState
			var n int64
			err := scan(&state, &n)
			p.Open += n
			if state == job.ImageWorking {
				p.Working = n
			}
			return err
		}, "SELECT state, COUNT(*) FROM images WHERE workload = ? AND "+openImages+" GROUP BY state", id)
		if err != nil {
			return err
		}
		return s.each(ctx, tx, func(scan func(...any) error) error {
			var image int64
			err := scan(&image)
			p.Done = append(p.Done, image)
			return err
		}, "SELECT id FROM images WHERE workload = ? AND state = 'done' ORDER BY id", id)
	})
	return p, err
}

// CountWorkloads is how many there are. Errors: Unavailable.
func (s *SQL) CountWorkloads(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, "count workloads", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM workloads").Scan(&n)
	})
	return n, err
}

// RenameWorkload gives a workload another name; its folder stays. Errors: NotFound,
// Unavailable.
func (s *SQL) RenameWorkload(ctx context.Context, id int64, name string) error {
	return s.changeWorkload(ctx, id, "UPDATE workloads SET name = ? WHERE id = ?", name, id)
}

// RemoveWorkload forgets a workload and its images. Errors: NotFound, Unavailable.
func (s *SQL) RemoveWorkload(ctx context.Context, id int64) error {
	return s.write(ctx, "remove workload", func(tx *sql.Tx) error {
		if _, err := s.exec(ctx, tx, "DELETE FROM images WHERE workload = ?", id); err != nil {
			return err
		}
		n, err := s.exec(ctx, tx, "DELETE FROM workloads WHERE id = ?", id)
		if err == nil && n == 0 {
			return job.NoWorkload(id)
		}
		return err
	})
}

func (s *SQL) changeWorkload(ctx context.Context, id int64, query string, args ...any) error {
	return s.write(ctx, "change workload", func(tx *sql.Tx) error {
		n, err := s.exec(ctx, tx, query, args...)
		if err == nil && n == 0 {
			return job.NoWorkload(id)
		}
		return err
	})
}

// AddImages keeps new images of one workload, all or none, which get its next ids, and
// Original the id before it. Errors: NotFound, Unavailable.
func (s *SQL) AddImages(ctx context.Context, workload int64, images ...job.Image) ([]job.Image, error) {
	var added []job.Image
	err := s.write(ctx, "add images", func(tx *sql.Tx) error {
		added = slices.Clone(images)
		var first int64
		err := tx.QueryRowContext(ctx, s.dialect.sql("UPDATE workloads SET images = images + ? WHERE id = ? RETURNING images"), len(added), workload).Scan(&first)
		if errors.Is(err, sql.ErrNoRows) {
			return job.NoWorkload(workload)
		}
		if err != nil {
			return err
		}
		first -= int64(len(added))
		for n := range added {
			i := &added[n]
			i.Workload, i.ID = workload, first+int64(n)
			i.Original = strconv.FormatInt(i.ID, 10) + i.Original
			_, err = s.exec(ctx, tx, "INSERT INTO images (workload, id, state, original, result, upload, job, code, cause, hint) VALUES (?, ?, ?, ?, '', ?, '', '', '', '')",
				i.Workload, i.ID, string(i.State), i.Original, i.Upload)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return added, err
}

// SetImages changes state, result, job and error of images, all or none.
// Errors: NotFound, Unavailable.
func (s *SQL) SetImages(ctx context.Context, images ...job.Image) error {
	return s.write(ctx, "change images", func(tx *sql.Tx) error {
		for _, i := range images {
			code, cause, hint := troubleOf(i)
			n, err := s.exec(ctx, tx, "UPDATE images SET state = ?, result = ?, job = ?, code = ?, cause = ?, hint = ? WHERE workload = ? AND id = ?",
				string(i.State), i.Result, string(i.Job), code, cause, hint, i.Workload, i.ID)
			if err != nil {
				return err
			}
			if n == 0 {
				return job.NoImage(i.Workload, i.ID)
			}
		}
		return nil
	})
}

// troubleOf is why an image failed, as it is kept.
func troubleOf(i job.Image) (code, cause, hint string) {
	if i.Err == nil {
		return "", "", ""
	}
	return string(i.Err.Code), plain(i.Err.Error()), plain(i.Err.Hint)
}

// imageColumns are those that scanImage reads.
const imageColumns = "workload, id, state, original, result, upload, job, code, cause, hint"

func scanImage(scan func(...any) error) (job.Image, error) {
	var i job.Image
	var code, cause, hint string
	err := scan(&i.Workload, &i.ID, &i.State, &i.Original, &i.Result, &i.Upload, &i.Job, &code, &cause, &hint)
	if code != "" {
		i.Err = job.E(job.Code(code), "", errors.New(cause), hint)
	}
	return i, err
}

// Image is one image of a workload. Errors: NotFound, Unavailable.
func (s *SQL) Image(ctx context.Context, workload, id int64) (i job.Image, err error) {
	err = s.read(ctx, "read image", func(tx *sql.Tx) (err error) {
		i, err = scanImage(tx.QueryRowContext(ctx, s.dialect.sql("SELECT "+imageColumns+" FROM images WHERE workload = ? AND id = ?"), workload, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return job.NoImage(workload, id)
		}
		return err
	})
	return i, err
}

// Images are at most so many of a workload in a state, by id; "": in any. after is -1
// for the first ones. Errors: Unavailable.
func (s *SQL) Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) (all []job.Image, err error) {
	query, args := "SELECT "+imageColumns+" FROM images WHERE workload = ? AND id > ?", []any{workload, after}
	if state != "" {
		query, args = query+" AND state = ?", append(args, string(state))
	}
	err = s.read(ctx, "list images", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			i, err := scanImage(scan)
			all = append(all, i)
			return err
		}, query+" ORDER BY id LIMIT ?", append(args, most)...)
	})
	return all, err
}

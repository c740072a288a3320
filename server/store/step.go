package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"spillway/job"
)

// stepRecord is a job.Step as it is kept: one about an input.
type stepRecord struct {
	Kind  job.StepKind  `json:"kind"`
	At    int64         `json:"at"`
	Name  string        `json:"name"`
	Raw   []byte        `json:"raw,omitempty"` // the name, where it is no UTF-8
	Parts int           `json:"parts,omitempty"`
	Took  time.Duration `json:"took,omitempty"`
	Bytes int64         `json:"bytes,omitempty"`
	Err   *errorRecord  `json:"err,omitempty"`
}

func encodeStep(st job.Step) (string, error) {
	r := stepRecord{st.Kind, nanos(st.At), st.Name, nil, st.Parts, st.Took, st.Bytes, recordOf(st.Err)}
	if plain(st.Name) != st.Name {
		r.Name, r.Raw = "", []byte(st.Name)
	}
	return encode(r)
}

func decodeStep(number int64, text string) (job.Step, error) {
	var r stepRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return job.Step{}, fmt.Errorf("decode step: %w", err)
	}
	if r.Raw != nil {
		r.Name = string(r.Raw)
	}
	return job.Step{
		Number: number, Kind: r.Kind, At: moment(r.At), Name: r.Name, Parts: r.Parts, Took: r.Took, Bytes: r.Bytes, Err: r.Err.toError(),
	}, nil
}

// Step keeps a step about an input of a job that has not ended. One with the same number
// is kept once. Errors: ErrStale (another server has the job, or it has ended), NotFound,
// Unavailable.
func (s *SQL) Step(ctx context.Context, id job.ID, epoch int64, st job.Step) error {
	return s.write(ctx, "keep step", func(tx *sql.Tx) error {
		j, err := s.findJob(ctx, tx, id, s.dialect.lock)
		switch {
		case err != nil:
			return err
		case j.Epoch != epoch || j.State.Final():
			return ErrStale
		}
		if err := s.insertSteps(ctx, tx, j.Seq, []job.Step{st}); err != nil {
			return err
		}
		_, err = s.exec(ctx, tx, "UPDATE jobs SET version = version + 1 WHERE seq = ?", j.Seq)
		return err
	})
}

// Steps are those that were kept of a job, with a number greater than after, in order, at
// most limit. Errors: NotFound, Unavailable.
func (s *SQL) Steps(ctx context.Context, id job.ID, after int64, most int) (steps []job.Step, err error) {
	err = s.read(ctx, "read steps", func(tx *sql.Tx) error {
		j, err := s.findJob(ctx, tx, id, "")
		if err != nil {
			return err
		}
		steps, err = s.selectSteps(ctx, tx, "number > ? ORDER BY number LIMIT ?", j.Seq, after, limit(most))
		return err
	})
	return steps, err
}

// insertSteps keeps steps that a job does not have yet.
func (s *SQL) insertSteps(ctx context.Context, tx *sql.Tx, seq int64, steps []job.Step) error {
	for _, st := range steps {
		text, err := encodeStep(st)
		if err != nil {
			return err
		}
		_, err = s.exec(ctx, tx, "INSERT INTO steps (job, number, step) VALUES (?, ?, ?) ON CONFLICT (job, number) DO NOTHING", seq, st.Number, text)
		if err != nil {
			return err
		}
	}
	return nil
}

// latestSteps are the last ones of a job, in order.
func (s *SQL) latestSteps(ctx context.Context, tx *sql.Tx, seq int64) ([]job.Step, error) {
	steps, err := s.selectSteps(ctx, tx, "true ORDER BY number DESC LIMIT ?", seq, job.MaxSteps)
	slices.Reverse(steps)
	return steps, err
}

// selectSteps reads those of the job that args begin with.
func (s *SQL) selectSteps(ctx context.Context, tx *sql.Tx, where string, args ...any) (steps []job.Step, err error) {
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var number int64
		var text string
		if err := scan(&number, &text); err != nil {
			return err
		}
		st, err := decodeStep(number, text)
		steps = append(steps, st)
		return err
	}, "SELECT number, step FROM steps WHERE job = ? AND "+where, args...)
	return steps, err
}

package split

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"

	"spillway/confine"
	"spillway/face"
	"spillway/job"
)

// maxRecord bounds what a picture's faces take as JSON: 1.5 kB each, of many thousands.
const maxRecord = 64 << 20

// Gathers names the file that is made of what all inputs of an operation became; empty:
// there is none.
func (Joiner) Gathers(op job.Operation) string {
	if op.Name == job.FaceIdentity {
		return face.PeopleName
	}
	return ""
}

// Gather groups the faces of the pictures that each yields by person, and writes
// [face.PeopleName]. Neither the order of pictures nor who worked on them changes it. The
// pictures' own files stay. Errors: *job.Error; Unavailable where another time may do;
// ctx's own, and those of each.
func (t Joiner) Gather(ctx context.Context, base string, id job.ID, op job.Operation, each func(yield func(input string) bool) error) error {
	args, err := job.OperationInfo{Name: op.Name, Params: job.IdentityParams()}.Check(op)
	if err != nil {
		return err
	}
	folder, err := t.Roots.Open(base)
	if err != nil {
		return explain(base, t.Roots, kindOf(op), err)
	}
	defer folder.Close()
	var all face.Census
	var wrong error
	err = each(func(name string) bool {
		var p face.Picture
		if p, wrong = readFaces(folder, name); wrong == nil {
			wrong = notPeople(all.Add(p))
		}
		return wrong == nil && ctx.Err() == nil
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wrong != nil:
		return wrong
	case err != nil:
		return err
	}
	people, err := all.People(ctx, args.Float("threshold"), max(1, runtime.GOMAXPROCS(0)/2)) // other jobs go on
	if err != nil {
		return err
	}
	text, err := json.Marshal(people)
	if err != nil {
		return notJoined(face.PeopleName, err)
	}
	return writeWhole(folder, id, face.PeopleName, append(text, '\n'))
}

// readFaces reads what a node found in a picture. Errors: *job.Error.
func readFaces(folder *confine.Folder, name string) (face.Picture, error) {
	if err := confine.CheckName(name); err != nil {
		return face.Picture{}, reading(name, err)
	}
	op := "read " + job.Shown(path.Join(job.OutputDir, name+face.RecordSuffix))
	const hint = "leave output_dir alone while a job runs, and submit it again"
	file, err := folder.Open(path.Join(job.OutputDir, name+face.RecordSuffix))
	if err != nil {
		return face.Picture{}, job.E(job.FailedPrecondition, op, reason(err), hint)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxRecord+1))
	if err != nil {
		return face.Picture{}, job.E(job.Unavailable, op, reason(err), "check the server's disk")
	}
	var p face.Picture
	switch err := json.Unmarshal(text, &p); {
	case len(text) > maxRecord:
		return p, job.E(job.DataLoss, op, fmt.Errorf("it has more than %d MiB", maxRecord>>20), hint)
	case err != nil:
		return p, job.E(job.DataLoss, op, fmt.Errorf("it does not describe faces: %w", err), hint)
	case p.Image != name:
		return p, job.E(job.DataLoss, op, fmt.Errorf("it is about %.80q", p.Image), hint)
	}
	return p, nil
}

// notPeople is why faces cannot be grouped.
func notPeople(err error) error {
	op := "join " + face.PeopleName
	switch {
	case errors.Is(err, face.ErrTooMany):
		return job.E(job.FailedPrecondition, op, err, "submit fewer pictures at once; what each shows is in its "+face.RecordSuffix)
	case errors.Is(err, face.ErrKnown):
		return job.E(job.FailedPrecondition, op, err, "give every node the same known faces in --models, or let all of them see the job's folder")
	}
	return err
}

// writeWhole gives text its name in output_dir once all of it is written.
func writeWhole(folder *confine.Folder, id job.ID, name string, text []byte) error {
	temp := path.Join(job.OutputDir, job.TempPrefix(id)+rand.Text()[:16]+".part")
	file, err := folder.Create(temp)
	if err != nil {
		return writing(name, err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = folder.Rename(temp, path.Join(job.OutputDir, name))
	}
	if err != nil {
		_ = folder.Remove(temp)
		return writing(name, err)
	}
	return nil
}

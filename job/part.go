package job

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Part is a piece of one input that is a task of its own: a run of frames, a chunk of
// samples. Its name, as a task's, says all that a node needs to know, so that what is
// planned once is kept with the tasks and never planned again.
type Part struct {
	// File is the input within input_dir.
	File string
	// Number is which part it is, from 1 to Of.
	Number, Of int
	// From and To bound it, To not included, in the unit of its kind.
	From, To int64
	// Count is how many frames or samples it should have.
	Count int64
	// Note is what else the kind wants its nodes to know: one word, without a slash.
	// "-" where there is nothing.
	Note string
}

// partForm is how a part is written behind its file: no file's name has a slash.
const partForm = "part %d of %d [%d,%d) %d %s"

// Name is the task's name: "clip.avi/part 2 of 16 [100,200) 100 25/1".
func (p Part) Name() string {
	return p.File + "/" + fmt.Sprintf(partForm, p.Number, p.Of, p.From, p.To, p.Count, p.Note)
}

// String is the part for people: "clip.avi (part 2 of 16)".
func (p Part) String() string { return fmt.Sprintf("%s (part %d of %d)", p.File, p.Number, p.Of) }

// ParsePart reads a task's name; false: it names a whole file.
func ParsePart(name string) (Part, bool) {
	file, rest, ok := strings.Cut(name, "/")
	if !ok {
		return Part{}, false
	}
	p := Part{File: file}
	_, err := fmt.Sscanf(rest, partForm, &p.Number, &p.Of, &p.From, &p.To, &p.Count, &p.Note)
	if err != nil || p.Number < 1 || p.Number > p.Of || p.From > p.To || p.Count < 0 || p.Name() != name {
		return Part{}, false
	}
	return p, true
}

// FileOf is the input that a task's name is about: the whole file, or that of a part.
func FileOf(name string) string {
	if p, ok := ParsePart(name); ok {
		return p.File
	}
	return name
}

// Label is a task's name for people: a file's, or [Part.String], as [Shown] shows it.
func Label(name string) string {
	if p, ok := ParsePart(name); ok {
		return Shown(p.String())
	}
	return Shown(name)
}

// Segment is the name in [OutputDir] under which what a task of the job makes of the
// part waits to be joined. It is hidden, and begins with the job's [TempPrefix].
func (p Part) Segment(id ID) string {
	sum := sha256.Sum256([]byte(p.Name()))
	return TempPrefix(id) + hex.EncodeToString(sum[:12]) + SegmentSuffix
}

// SegmentSuffix ends the names of segments.
const SegmentSuffix = ".segment"

package split

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"

	"spillway/confine"
	"spillway/job"
)

// maxOutputs and maxOutputBytes bound the outputs of one attempt, so that a node that
// went wrong does not fill the server's disk.
const (
	maxOutputs     = 256
	maxOutputBytes = 8 << 30
)

// Parcel carries the files of one attempt: the input as it lies in input_dir, and
// outputs under temporary names until Commit. It is used by one goroutine at a time.
type Parcel struct {
	carrier *Carrier
	name    string

	size int64
	in   *os.File  // nil before the first byte and after the last
	sum  hash.Hash // of what was read
	read int64
	outs map[string]*staged
	room int64 // bytes that outputs may still have
}

// staged is an output that comes or has come.
type staged struct {
	temp    string
	size    int64
	file    *os.File // nil once it is whole
	sum     hash.Hash
	written int64
}

var _ job.Content = (*Parcel)(nil)

// Input implements [job.Content].
func (p *Parcel) Input(context.Context) (job.InputInfo, error) {
	if err := confine.CheckName(job.FileOf(p.name)); err != nil {
		return job.InputInfo{}, reading(p.name, err)
	}
	info, err := p.carrier.folder.Stat(p.input()) // before opening: to open a pipe might block
	if err != nil {
		return job.InputInfo{}, reading(p.name, err)
	}
	op := "read " + job.Shown(p.input())
	switch {
	case info.IsDir():
		return job.InputInfo{}, job.E(job.InvalidArgument, op, errors.New("it is a directory"), "only the files in input_dir itself are processed; move what it holds there")
	case !info.Mode().IsRegular():
		return job.InputInfo{}, job.E(job.InvalidArgument, op, errors.New("it is not a regular file"), "remove it from input_dir")
	}
	p.closeInput()
	p.size, p.read, p.sum = info.Size(), 0, sha256.New()
	return job.InputInfo{Size: p.size, Modified: info.ModTime()}, nil
}

func (p *Parcel) input() string { return path.Join(job.InputDir, job.FileOf(p.name)) }

// Read implements [job.Content]. Bytes are read in order; those that were read
// before may be read again.
func (p *Parcel) Read(_ context.Context, b []byte, offset int64) ([]byte, error) {
	end := offset + int64(len(b))
	if offset < 0 || offset > p.read || end > p.size || p.sum == nil {
		return nil, job.E(job.Unavailable, "read "+job.Shown(p.input()), fmt.Errorf("%d bytes at %d are asked for, out of order", len(b), offset), "")
	}
	if p.in == nil {
		file, err := p.carrier.folder.Open(p.input())
		if err != nil {
			return nil, reading(p.name, err)
		}
		p.in = file
	}
	if n, err := p.in.ReadAt(b, offset); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = errors.New("it has become shorter")
		}
		return nil, reading(p.name, err)
	}
	if end > p.read {
		p.sum.Write(b[p.read-offset:])
		p.read = end
	}
	if end < p.size {
		return nil, nil
	}
	p.closeInput()
	return p.sum.Sum(nil), nil
}

func (p *Parcel) closeInput() {
	if p.in != nil {
		p.in.Close()
		p.in = nil
	}
}

// Write implements [job.Content].
func (p *Parcel) Write(_ context.Context, in job.Piece) error {
	if err := in.Check(); err != nil {
		return err
	}
	if err := confine.CheckName(in.Name); err != nil || strings.HasPrefix(in.Name, job.HiddenPrefix) && !p.isSegment(in.Name) {
		return job.E(job.PermissionDenied, "write "+job.Shown(in.Name), errors.New("no output may have that name"), "")
	}
	s, err := p.stage(in)
	if err != nil {
		return err
	}
	end := in.Offset + int64(len(in.Data))
	switch {
	case s.file == nil: // it is whole, and this comes again
		return nil
	case in.Size != s.size, in.Offset > s.written:
		return job.E(job.Unavailable, "write "+job.Shown(in.Name), errors.New("a piece came out of order"), "")
	case end > s.written:
		data := in.Data[s.written-in.Offset:]
		if _, err := s.file.Write(data); err != nil {
			return writing(in.Name, err)
		}
		s.sum.Write(data)
		s.written = end
	}
	if !in.Last() {
		return nil
	}
	if !bytes.Equal(s.sum.Sum(nil), in.Sum) {
		p.drop(in.Name)
		return job.E(job.Unavailable, "write "+job.Shown(path.Join(job.OutputDir, in.Name)),
			errors.New("it did not arrive as it was sent: its SHA-256 is another"), "if that happens often, check the network and the disks")
	}
	err = s.file.Close()
	s.file = nil
	if err != nil {
		p.drop(in.Name)
		return writing(in.Name, err)
	}
	return nil
}

// isSegment tells the one hidden output that the attempt may have.
func (p *Parcel) isSegment(name string) bool {
	part, ok := job.ParsePart(p.name)
	return ok && name == part.Segment(p.carrier.id)
}

// stage finds the output that a piece belongs to, or begins it.
func (p *Parcel) stage(in job.Piece) (*staged, error) {
	if s, ok := p.outs[in.Name]; ok {
		return s, nil
	}
	if len(p.outs) >= maxOutputs {
		return nil, job.E(job.Unavailable, "write "+job.Shown(in.Name), fmt.Errorf("the attempt has more than %d outputs", maxOutputs), "")
	}
	if in.Size > p.room {
		return nil, job.E(job.Unavailable, "write "+job.Shown(in.Name), fmt.Errorf("the outputs of the attempt have more than %d GiB", maxOutputBytes>>30), "")
	}
	p.room -= in.Size
	s := &staged{temp: path.Join(job.OutputDir, p.carrier.temp()), size: in.Size, sum: sha256.New()}
	var err error
	if s.file, err = p.carrier.folder.Create(s.temp); err != nil {
		return nil, writing(in.Name, err)
	}
	p.outs[in.Name] = s
	return s, nil
}

// Commit gives the outputs their names, replacing what has them. It is for an
// attempt that counts. Errors: *job.Error; then those not named yet are gone.
func (p *Parcel) Commit() error {
	defer p.Discard()
	for name, s := range p.outs {
		if s.file != nil {
			continue
		}
		if err := p.carrier.folder.Rename(s.temp, path.Join(job.OutputDir, name)); err != nil {
			return writing(name, err)
		}
		delete(p.outs, name)
	}
	return nil
}

// Discard removes what was not committed.
func (p *Parcel) Discard() {
	p.closeInput()
	for name := range p.outs {
		p.drop(name)
	}
}

// drop removes one output that is not committed.
func (p *Parcel) drop(name string) {
	s := p.outs[name]
	if s.file != nil {
		s.file.Close()
	}
	_ = p.carrier.folder.Remove(s.temp)
	delete(p.outs, name)
}

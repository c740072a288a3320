// Package machine reads machine.txt, which says who listens where.
//
// A line is NAME HOST[:PORT]; # starts a comment, and blank lines count for
// nothing. Names are node*, server* and client. The port is 5000 where none is
// given; IPv6 addresses with a port stand in brackets: [::1]:5001.
package machine

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"spillway/job"
)

// DefaultPort is the port of a line that gives none.
const DefaultPort = "5000"

// Machine is one line of the file.
type Machine struct {
	Name string // node_0
	Addr string // HOST:PORT, as net.Dial takes it
	Line int    // from 1, within its file
}

// Pool is what a file says. It is immutable and may be used concurrently. The
// zero Pool knows nobody.
type Pool struct {
	path    string
	nodes   []Machine
	servers []Machine
	names   map[string]Machine
}

// Read reads the file at path. Errors: InvalidArgument, naming the file, and the
// line where it is one line's fault.
func Read(path string) (Pool, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Pool{}, job.E(job.InvalidArgument, path, errors.New("there is no such file"),
			"write one, a line "+want+" for each machine, or name another with --machines")
	case err != nil:
		return Pool{}, unreadable(path, err)
	}
	defer func() { _ = file.Close() }()
	return Parse(file, path)
}

// unreadable says that the file cannot be read, with the cause that the system gives.
func unreadable(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return job.E(job.InvalidArgument, path, err, "name a text file that this user may read")
}

// Nodes are the compute nodes, in the order of the file. The slice is the caller's.
func (p Pool) Nodes() []Machine { return slices.Clone(p.nodes) }

// Servers are the servers, in the order of the file. The slice is the caller's.
func (p Pool) Servers() []Machine { return slices.Clone(p.servers) }

// Find returns the machine of that name, false where there is none.
func (p Pool) Find(name string) (Machine, bool) {
	m, ok := p.names[name]
	return m, ok
}

// RequireNodes is Nodes for a caller that cannot go on without any.
// Errors: InvalidArgument where the file names no node.
func (p Pool) RequireNodes() ([]Machine, error) {
	if len(p.nodes) == 0 {
		return nil, job.E(job.InvalidArgument, p.path, errors.New("it names no node"),
			"add a line such as node_0 127.0.0.1:5001 for each compute node")
	}
	return p.Nodes(), nil
}

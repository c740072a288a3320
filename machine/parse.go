package machine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"spillway/job"
)

// want is the form of a line.
const want = "NAME HOST[:PORT]"

// The bounds of a file; 100,000 nodes fit.
const (
	maxLine = 1 << 10 // bytes
	maxFile = 8 << 20 // bytes
	maxName = 64      // bytes
)

// Parse reads lines from r; path is its name in errors. It reads at most 8 MiB,
// and lines of at most 1 KiB. Errors: InvalidArgument.
func Parse(r io.Reader, path string) (Pool, error) {
	p := parser{
		pool:  Pool{path: path, names: map[string]Machine{}},
		addrs: map[string]Machine{},
	}
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		p.line++
		if err := p.read(lines.Bytes()); err != nil {
			return Pool{}, p.at(err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		return Pool{}, p.at(fmt.Errorf("the line is longer than %d bytes", maxLine))
	case err != nil:
		return Pool{}, unreadable(path, err)
	case limited.N == 0:
		return Pool{}, job.E(job.InvalidArgument, path,
			fmt.Errorf("it is larger than %d MiB", maxFile>>20), "want a line "+want+" for each machine")
	}
	return p.pool, nil
}

// parser is a Pool in the making.
type parser struct {
	pool  Pool
	addrs map[string]Machine // nodes and servers by address
	line  int
}

// at gives err the present line.
func (p *parser) at(err error) error {
	return job.E(job.InvalidArgument, fmt.Sprintf("%s:%d", p.pool.path, p.line), err, "want "+want)
}

// read takes one line.
func (p *parser) read(raw []byte) error {
	if p.line == 1 {
		raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	}
	text, _, _ := strings.Cut(string(raw), "#")
	words := strings.Fields(text)
	switch len(words) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%.80q has no host", words[0])
	case 2:
		return p.add(words[0], words[1])
	}
	return fmt.Errorf("%d words where two are wanted", len(words))
}

// add checks one machine and takes it in.
func (p *parser) add(name, addr string) error {
	if err := checkName(name); err != nil {
		return err
	}
	addr, err := address(addr)
	if err != nil {
		return err
	}
	m := Machine{Name: name, Addr: addr, Line: p.line}
	if other, twice := p.pool.names[name]; twice {
		return fmt.Errorf("the name %s is taken by line %d", name, other.Line)
	}
	p.pool.names[name] = m
	if name == "client" {
		return nil // it does not listen
	}
	if other, twice := p.addrs[strings.ToLower(addr)]; twice {
		return fmt.Errorf("the address %s of %s is taken by %s on line %d", addr, name, other.Name, other.Line)
	}
	p.addrs[strings.ToLower(addr)] = m
	if strings.HasPrefix(name, "node") {
		p.pool.nodes = append(p.pool.nodes, m)
	} else {
		p.pool.servers = append(p.pool.servers, m)
	}
	return nil
}

// checkName allows node*, server* and client.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("name %.20q... is longer than %d bytes", name, maxName)
	}
	for _, c := range name {
		if !letterOrDigit(c) && !strings.ContainsRune("_-.", c) {
			return fmt.Errorf("name %q has other characters than letters, digits, '_', '-' and '.'", name)
		}
	}
	if name != "client" && !strings.HasPrefix(name, "node") && !strings.HasPrefix(name, "server") {
		return fmt.Errorf("name %q is none of node*, server*, client", name)
	}
	return nil
}

// letterOrDigit reports whether c is one of a-z A-Z 0-9.
func letterOrDigit(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
)

// printSample measures one peer under one case, and prints a load.Measured. The
// processes are new, so that memory, allocations and the collector's work of one
// peer never meet another's.
func printSample(ctx context.Context, cfg config, stdout io.Writer) error {
	c, err := load.FindCase(cfg.cases[0])
	if err != nil {
		return err
	}
	p, err := peer.Find(cfg.peers[0])
	if err != nil {
		return err
	}
	begin := apart
	if cfg.together {
		begin = together
	}
	endpoint, usage, stop, err := begin(ctx, cfg, p)
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	defer stop()
	client, err := p.Dial(endpoint)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	m, err := load.Measure(ctx, c, client, usage, load.Times{Settle: cfg.settle, Window: cfg.window})
	if err != nil {
		return err
	}
	return writeLine(stdout, m)
}

// together serves in this process; its usage is the client's and the server's.
func together(_ context.Context, cfg config, p peer.Peer) (e peer.Endpoint, usage func() (load.Usage, error), stop func(), err error) {
	l, e, err := p.Listen(cfg.dir)
	if err != nil {
		return e, nil, nil, err
	}
	go func() { _ = p.Serve(l) }() // where it ends early, calls fail
	return e, load.Self, func() { l.Close() }, nil
}

// apart serves in a process of its own; usage is that of both processes.
func apart(ctx context.Context, cfg config, _ peer.Peer) (e peer.Endpoint, usage func() (load.Usage, error), stop func(), err error) {
	s, err := startServer(ctx, cfg)
	if err != nil {
		return e, nil, nil, err
	}
	both := func() (load.Usage, error) {
		theirs, err := s.usage()
		if err != nil {
			return load.Usage{}, err
		}
		mine, err := load.Self()
		return mine.Plus(theirs), err
	}
	return s.endpoint, both, s.stop, nil
}

// server is the process that answers.
type server struct {
	process  *exec.Cmd
	ask      io.WriteCloser
	answers  *json.Decoder
	endpoint peer.Endpoint
}

// startServer starts this program as a server, and waits until it listens.
func startServer(ctx context.Context, cfg config) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{process: exec.CommandContext(ctx, self, "--role", roleServe, "--peer", cfg.peers[0], "--dir", cfg.dir)}
	s.process.Stderr = os.Stderr
	if s.ask, err = s.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.answers = json.NewDecoder(out)
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	if err := s.answers.Decode(&s.endpoint); err != nil {
		s.stop()
		return nil, fmt.Errorf("read where it listens: %w", err)
	}
	return s, nil
}

// usage asks the server for what it has used.
func (s *server) usage() (load.Usage, error) {
	var u load.Usage
	if _, err := io.WriteString(s.ask, "usage\n"); err != nil {
		return u, fmt.Errorf("ask the server for its usage: %w", err)
	}
	if err := s.answers.Decode(&u); err != nil {
		return u, fmt.Errorf("read the server's usage: %w", err)
	}
	return u, nil
}

// stop ends the server: it goes when its input ends.
func (s *server) stop() {
	s.ask.Close()
	_ = s.process.Wait() // what it measured was read already
}

// serve listens, prints where, and answers each line with its usage, until the
// input ends. Errors: the peer cannot listen or serve.
func serve(cfg config, stdin io.Reader, stdout io.Writer) error {
	p, err := peer.Find(cfg.peers[0])
	if err != nil {
		return err
	}
	l, endpoint, err := p.Listen(cfg.dir)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	if err := writeLine(stdout, endpoint); err != nil {
		return err
	}
	failed, asked := make(chan error, 1), make(chan error, 1)
	go func() { failed <- p.Serve(l) }()
	go func() { asked <- answerUsage(stdin, stdout) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case err := <-asked:
		return err
	}
}

func answerUsage(stdin io.Reader, stdout io.Writer) error {
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		u, err := load.Self()
		if err != nil {
			return err
		}
		if err := writeLine(stdout, u); err != nil {
			return err
		}
	}
	return nil
}

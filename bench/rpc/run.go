package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
	"spillway/bench/rpc/report"
)

// sampleTimeout ends a sample that hangs.
const sampleTimeout = 30 * time.Second

// run measures round after round, and writes the results. Errors: samples without
// figures, after the others were written; or the results cannot be written.
func run(ctx context.Context, cfg config, args []string, stderr io.Writer) error {
	if err := os.MkdirAll(cfg.out, 0o755); err != nil {
		return err
	}
	var err error
	if cfg.dir, err = os.MkdirTemp("", "bench-rpc-"); err != nil {
		return err
	}
	defer os.RemoveAll(cfg.dir)
	rs := report.Results{
		Command: strings.Join(append([]string{"bench-rpc"}, args...), " "),
		Started: time.Now(), Seed: cfg.seed, Rounds: cfg.rounds,
		Settle: cfg.settle.String(), Window: cfg.window.String(), Together: cfg.together, Machine: machine(),
	}
	peers, cases := cfg.chosen()
	for _, p := range peers {
		rs.Peers = append(rs.Peers, report.Peer{Name: p.Name, Version: p.Version(), Note: p.Note})
	}
	for _, c := range cases {
		rs.Cases = append(rs.Cases, c.Name)
	}
	failed := 0
	for _, turn := range schedule(cfg, peers, cases) {
		s := report.Sample{Round: turn.round, Case: turn.c.Name, Peer: turn.p.Name}
		if s.Measured, err = sample(ctx, cfg, turn); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.Error = err.Error()
			failed++
		}
		rs.Samples = append(rs.Samples, s)
		tell(stderr, s)
	}
	stem := filepath.Join(cfg.out, "rpc")
	if cfg.quick {
		stem += "-quick"
	}
	if err := rs.Write(stem + ".json"); err != nil {
		return err
	}
	if err := render(rs, stem, stderr); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d samples failed; the report names them", failed, len(rs.Samples))
	}
	return nil
}

// chosen are the peers and the cases of this run.
func (cfg config) chosen() ([]peer.Peer, []load.Case) {
	peers := slices.DeleteFunc(peer.All(), func(p peer.Peer) bool {
		return len(cfg.peers) > 0 && !slices.Contains(cfg.peers, p.Name)
	})
	cases := slices.DeleteFunc(load.Cases(), func(c load.Case) bool {
		if len(cfg.cases) > 0 {
			return !slices.Contains(cfg.cases, c.Name)
		}
		return cfg.quick && !c.Quick
	})
	return peers, cases
}

// turn is one sample to be taken.
type turn struct {
	round int
	c     load.Case
	p     peer.Peer
}

// schedule has the turns of all rounds. Within a case, the peers follow each other
// closely, so that they meet the same machine; the seed decides in which order.
// Round 0 is the warm-up, which a quick run goes without.
func schedule(cfg config, peers []peer.Peer, cases []load.Case) []turn {
	rng := rand.New(rand.NewPCG(cfg.seed, 0))
	first := 0
	if cfg.quick {
		first = 1
	}
	var turns []turn
	for round := first; round <= cfg.rounds; round++ {
		for _, c := range cases {
			for _, i := range rng.Perm(len(peers)) {
				p := peers[i]
				if other := p.TLS || p.Network != "tcp"; !other || c.Wide {
					turns = append(turns, turn{round, c, p})
				}
			}
		}
	}
	return turns
}

// sample takes one turn in a new process. The warm-up takes a third of the time.
func sample(ctx context.Context, cfg config, t turn) (load.Measured, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleTimeout, fmt.Errorf("not done within %s", sampleTimeout))
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return load.Measured{}, err
	}
	settle, window := cfg.settle, cfg.window
	if t.round == 0 {
		settle, window = settle/3, window/3
	}
	process := exec.CommandContext(ctx, self, "--role", roleSample, "--peer", t.p.Name, "--case", t.c.Name,
		"--settle", settle.String(), "--window", window.String(), "--dir", cfg.dir, "--together="+strconv.FormatBool(cfg.together))
	process.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	process.Stdout, process.Stderr = &stdout, &stderr
	if err := process.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return load.Measured{}, errors.New(inShort(stderr.String(), err))
	}
	var m load.Measured
	if err := json.Unmarshal(stdout.Bytes(), &m); err != nil {
		return load.Measured{}, fmt.Errorf("read the sample: %w", err)
	}
	return m, nil
}

// inShort is err with the first line that a process said, which has the cause of
// a panic, and the last one, which has the program's own error.
func inShort(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	parts := slices.Compact([]string{err.Error(), lines[0], lines[len(lines)-1]})
	return strings.Join(parts, ": ")
}

// tell shows a sample as it comes.
func tell(stderr io.Writer, s report.Sample) {
	if s.Error != "" {
		fmt.Fprintf(stderr, "%d %-10s %-22s FAILED: %s\n", s.Round, s.Case, s.Peer, s.Error)
		return
	}
	fmt.Fprintf(stderr, "%d %-10s %-22s %9.0f calls/s  p50 %8.0f µs  p99 %8.0f µs  %6.1f allocs  %7.1f µs CPU\n",
		s.Round, s.Case, s.Peer, s.CallsPerSecond, s.P50, s.P99, s.Allocations, s.CPU)
}

// render makes STEM.md and the plots.
func render(rs report.Results, stem string, stderr io.Writer) error {
	text := report.Markdown(rs)
	if err := os.WriteFile(stem+".md", []byte(text), 0o644); err != nil {
		return err
	}
	if err := report.Plots(rs, stem); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "\n%s\nwritten: %s.md and plots\n", text, stem)
	return nil
}

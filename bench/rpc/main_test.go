package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
	"spillway/bench/rpc/report"
)

func TestSchedule_EveryRoundHasEveryPeerOnceACase(t *testing.T) {
	cfg := config{rounds: 3, seed: 1}
	peers, cases := cfg.chosen()
	orders := map[string]bool{}
	turns := schedule(cfg, peers, cases)
	for round := 0; round <= cfg.rounds; round++ {
		for _, c := range cases {
			var names []string
			for len(turns) > 0 && turns[0].round == round && turns[0].c.Name == c.Name {
				names = append(names, turns[0].p.Name)
				turns = turns[1:]
			}
			orders[strings.Join(names, " ")] = true
			want := 5
			if c.Wide {
				want = 7
			}
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), want, "round %d, case %s", round, c.Name)
		}
	}
	require.Empty(t, turns)
	require.Greater(t, len(orders), 20, "the order changes")
}

func TestSchedule_TheSeedDecides(t *testing.T) {
	order := func(seed uint64) (names []string) {
		cfg := config{rounds: 3, seed: seed}
		peers, cases := cfg.chosen()
		for _, turn := range schedule(cfg, peers, cases) {
			names = append(names, turn.p.Name)
		}
		return names
	}
	first := order(1)
	require.Equal(t, first, order(1))
	require.NotEqual(t, first, order(2))
}

func TestCommand_RefusesWhatMakesNoSense(t *testing.T) {
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--nope"}, "unknown flag: --nope"},
		{"unknown case", []string{"--case", "huge"}, `--case: there is no case "huge"; there are tiny-1, tiny-16, tiny-256, tiny-4096, large-1, large-16, huge-4, slow-256, slow-4096, beside`},
		{"unknown peer", []string{"--peer", "carrier pigeon"}, `--peer: there is no peer "carrier pigeon"; there are spillway, grpc-go, net/rpc, kitex mux, stock Thrift, spillway unix, spillway TLS`},
		{"no round", []string{"--rounds", "0"}, "--rounds 0: want 1 or more"},
		{"no window", []string{"--window", "0s"}, "--window and --settle: want a time such as 600ms"},
		{"more words", []string{"run"}, `unexpected "run"; see --help`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, command(t.Context(), row.args, nil, &stdout, &stderr))
			require.Equal(t, "bench-rpc: "+row.want+"\n", stderr.String())
		})
	}
}

func TestCommand_HelpNamesTheFlagsForPeople(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitDone, command(t.Context(), []string{"--help"}, nil, &stdout, &stderr))
	require.Contains(t, stdout.String(), "--quick")
	require.NotContains(t, stdout.String(), "--role")
	require.Empty(t, stderr.String())
}

func TestServe_AnswersItsUsageUntilTheInputEnds(t *testing.T) {
	var stdout bytes.Buffer
	err := serve(config{peers: []string{peer.Own}}, strings.NewReader("usage\nusage\n"), &stdout)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, stdout.String(), "127.0.0.1:")
	require.Contains(t, lines[2], `"allocations":`)
}

func TestCommand_RendersAFinishedRunAnew(t *testing.T) {
	stem := filepath.Join(t.TempDir(), "rpc")
	require.NoError(t, report.Results{Command: "the run"}.Write(stem+".json"))
	var stderr bytes.Buffer
	require.Equal(t, exitDone, command(t.Context(), []string{"--render", stem + ".json"}, nil, &stderr, &stderr))
	text, err := os.ReadFile(stem + ".md")
	require.NoError(t, err)
	require.Contains(t, string(text), "the run")
	require.Equal(t, exitFailed, command(t.Context(), []string{"--render", "nothing.json"}, nil, &stderr, &stderr))
}

func TestInShort_HasTheCauseAndTheEnd(t *testing.T) {
	err := errors.New("exit status 2")
	require.Equal(t, "exit status 2: panic: x: the end", inShort("panic: x\ngoroutine 1\nthe end\n", err))
	require.Equal(t, "exit status 2: one", inShort("one\n", err))
	require.Equal(t, "exit status 2: ", inShort("", err))
}

func TestCases_HaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range load.Cases() {
		require.False(t, seen[c.Name], c.Name)
		seen[c.Name] = true
		require.GreaterOrEqual(t, c.Bytes, 16, "room for the caller's number")
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A short selection, of the kinds that touch the most. make chaos has them all.
func TestChaos_NothingIsLostUnderAFewPlans(t *testing.T) {
	if !haveOpenCV {
		t.Skip("this build has no OpenCV; set the tags that the Makefile sets")
	}
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	lookAtPrograms(t)
	k, err := newKit(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.close()) })
	var plans []plan
	for _, kind := range []kind{takeOver, halfOpen, killDatabase, fullOutput} {
		p := drawKind(1, traitOf(kind))
		p.operation = operations[0] // one run without faults will do for all
		plans = append(plans, p)
	}
	k.runAll(t.Context(), plans, config{parallel: 5, keep: os.Getenv("SPILLWAY_KEEP") != ""}, func(r result) {
		t.Run(string(r.plan.kind), func(t *testing.T) {
			if r.skipped != "" {
				t.Skip("for want of " + r.skipped)
			}
			require.Empty(t, r.wrong, r.report)
			t.Log(r)
		})
	})
}

// lookAtPrograms lets the test count as another one when the programs that it builds have
// changed: go test remembers a result by the files that a test looked at.
func lookAtPrograms(t *testing.T) {
	for _, dir := range []string{"client", "computenode", "server", "rpc", "job", "confine", "machine", "native", "systemd"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		}))
	}
}

func TestCommand_RefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"--kind", "flood"}, {"--runs", "0"}, {"--seeds"}, {"more"}} {
		_, _, err := parse(args)
		require.Error(t, err, args)
	}
	cfg, _, err := parse([]string{"--kind", "take-over", "--runs", "3"})
	require.NoError(t, err)
	require.Len(t, cfg.seeds(), 3)
	for _, seed := range cfg.seeds() {
		require.Equal(t, takeOver, draw(seed).kind)
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/load"
	"spillway/job"
)

func TestEvents_FlagsAreChecked(t *testing.T) {
	c, err := parseEvents([]string{"--listeners", "10", "--tasks", "20", "--turns", "1"})
	require.NoError(t, err)
	require.Equal(t, load.ListenersConfig{Listeners: 10, Tasks: 20, Turns: 1}, c)
	for _, args := range []string{"--listeners 0", "--listeners 1101", "--tasks 0", "--turns 0", "--turns x", "more"} {
		_, err := parseEvents(strings.Fields(args))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), args)
	}
}

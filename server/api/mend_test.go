package api

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestMend_NamesCallsInsteadOfCommands(t *testing.T) {
	for hint, want := range map[string]string{
		"list the jobs with: client jobs":               "list the jobs with: GET /jobs",
		"look at the nodes with: client nodes":          "look at the nodes with: GET /nodes",
		"wait for it, or end it with: client cancel j1": "wait for it, or end it with: POST /jobs/j1/cancel",
		"watch it with: client watch j1":                "watch it with: GET /jobs/j1",
		"use those that client operations lists":        "use those that GET /operations lists",
		"the client asks again":                         "the client asks again",
		"":                                              "",
	} {
		require.Equal(t, want, mend(hint))
	}
	p := problemOf(job.E(job.NotFound, "", errors.New("no such job"), "list the jobs with: client jobs"))
	require.Equal(t, "list the jobs with: GET /jobs", p.Hint)
}

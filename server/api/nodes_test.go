package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/view"
)

func TestNodes_AreListedAndDrained(t *testing.T) {
	cfg, _ := works(t)
	a := New(cfg)
	all := answered[struct{ Nodes []view.Node }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes", ""))
	require.Len(t, all.Nodes, 3)
	require.Equal(t, job.Idle, all.Nodes[1].State)

	n := answered[view.Node](t, http.StatusOK, ask(t, a, "operator", "POST", "/nodes/node_1/drain", ""))
	require.Equal(t, job.Draining, n.State)
	n = answered[view.Node](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_1", ""))
	require.Equal(t, job.Draining, n.State)
	n = answered[view.Node](t, http.StatusOK, ask(t, a, "operator", "DELETE", "/nodes/node_1/drain", ""))
	require.Equal(t, job.Idle, n.State)
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", "POST", "/nodes/node_1/drain", "").Code)

	for _, path := range []string{"/nodes/none", "/nodes/none/log", "/nodes/%00", "/nodes/..%2fnode_1"} {
		require.Equal(t, http.StatusNotFound, problem(t, ask(t, a, "viewer", "GET", path, "")).Status, path)
	}
	require.Equal(t, http.StatusNotFound, problem(t, ask(t, a, "operator", "POST", "/nodes/none/drain", "")).Status)
}

func TestNodes_TellTheirLogUnlessTheyDoNotAnswer(t *testing.T) {
	cfg, _ := works(t)
	a := New(cfg)
	log := answered[struct{ Lines []string }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/nodes/node_0/log?lines=2", ""))
	require.Equal(t, []string{"one", "two"}, log.Lines)
	p := problem(t, ask(t, a, "viewer", "GET", "/nodes/node_2/log", ""))
	require.Equal(t, http.StatusServiceUnavailable, p.Status)
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, a, "viewer", "GET", "/nodes/node_0/log?lines=1001", "").Code)
}

func TestOperations_AreToldWithBoundsAndDefaults(t *testing.T) {
	cfg, _ := works(t)
	a := New(cfg)
	all := answered[struct{ Operations []view.Operation }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/operations", ""))
	require.Len(t, all.Operations, 2)
	require.Equal(t, view.Param{Name: "kernel", Kind: job.IntParam, Default: "5", Min: 1, Max: 99, Odd: true, Summary: "pixels"}, all.Operations[1].Params[0])
}

func TestPolicies_AreToldWithTheServersOwn(t *testing.T) {
	cfg, _ := works(t)
	all := answered[struct {
		Policies []policyJSON
		Default  string
	}](t, http.StatusOK, ask(t, New(cfg), "viewer", "GET", "/policies", ""))
	require.Len(t, all.Policies, len(policy.Names()))
	require.Equal(t, "balance", all.Default)
}

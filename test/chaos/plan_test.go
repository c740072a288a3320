package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlan_IsAFunctionOfItsSeed(t *testing.T) {
	for seed := range uint64(100) {
		first, again := draw(seed), draw(seed)
		require.Equal(t, first, again)
	}
	require.NotEqual(t, draw(1).String(), draw(1+uint64(len(traits()))).String())
}

func TestPlan_EachKindComesInTurn(t *testing.T) {
	seen := map[kind]bool{}
	for seed := range uint64(len(traits())) {
		seen[draw(seed).kind] = true
	}
	require.Len(t, seen, len(traits()))
}

func TestPlan_FaultsFitTheirCluster(t *testing.T) {
	for seed := range uint64(2000) {
		p := draw(seed)
		require.NotEmpty(t, p.faults)
		require.Equal(t, p.kind, p.faults[0].kind)
		require.LessOrEqual(t, p.inputs, maxInputs)
		require.Less(t, len(p.faults), len(p.nodes)+2)
		struck := map[int]bool{}
		servers := 0
		for _, f := range p.faults {
			is := traitOf(f.kind)
			require.False(t, is.network && !p.network, "%v", p)
			require.False(t, is.postgres && !p.postgres, "%v", p)
			require.False(t, is.sqlite && p.postgres, "%v", p)
			require.GreaterOrEqual(t, p.servers, is.servers, "%v", p)
			require.Equal(t, is.node || f.kind == crashAfter, f.node >= 0, "%v", p)
			require.False(t, f.node >= 0 && struck[f.node], "a node is struck once: %v", p)
			require.GreaterOrEqual(t, f.lasts, is.least)
			require.Less(t, f.lasts, 12*time.Second)
			struck[f.node] = true
			if is.server {
				servers++
			}
		}
		require.LessOrEqual(t, servers, 1, "%v", p)
		require.Less(t, len(struck)-1, len(p.nodes), "a node is left: %v", p)
		require.True(t, !p.needs().clock || p.needs().postgres)
	}
}

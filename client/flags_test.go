package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWholePolicies_ParametersStayWithTheirs(t *testing.T) {
	for list, want := range map[string][]string{
		"random,balance":                        {"random", "balance"},
		"prequal:q=0.6,pool=16":                 {"prequal:q=0.6,pool=16"},
		"random,prequal:q=0.6,pool=16,p2c,c3:":  {"random", "prequal:q=0.6,pool=16", "p2c", "c3:"},
		"p2c:hedge=0,throttle=2,pull:explore=0": {"p2c:hedge=0,throttle=2", "pull:explore=0"},
		"q=1":                                   {"q=1"},
	} {
		require.Equal(t, want, wholePolicies(strings.Split(list, ",")), list)
	}
}

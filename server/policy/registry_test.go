package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

func TestNew_NamesThePoliciesThereAre(t *testing.T) {
	_, err := policy.New("fastest")
	require.Equal(t, `policy "fastest": no such policy; use one of `+strings.Join(policy.Names(), ", "), job.Describe(err))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.Equal(t, []string{
		"balance", "c3", "cost", "jiq", "least_outstanding", "p2c", "peak_ewma", "prequal", "pull", "random",
		"round_robin", "weighted_round_robin",
	}, policy.Names())
}

func TestNew_OnlyRandomForbidsNodesToReject(t *testing.T) {
	for _, name := range policy.Names() {
		p, err := policy.New(name)
		require.NoError(t, err)
		require.Equal(t, name != "random", p.Traits().MayReject, name)
		require.Equal(t, name == "random" || name == "balance", p.Traits().Baseline, name)
		require.Equal(t, p.Traits().Baseline, p.Hedge == 0 && !p.Eject, name)
	}
}

func TestNew_ReadsParameters(t *testing.T) {
	for _, word := range []string{
		"prequal:q=0.6,pool=8,age=2s,probes=2,remove=0.5,errors=0.3", "pull:half-life=1m,explore=0.02,hedge=0",
		"c3:servers=50", "peak_ewma:tau=1m", "weighted_round_robin:window=5s", "cost:explore=0.05,throttle=2,eject=off",
	} {
		_, err := policy.New(word)
		require.NoError(t, err, word)
	}
	for _, word := range []string{"balance:hedge=0.1", "pull:speed=1", "prequal:q=2"} {
		_, err := policy.New(word)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), word)
	}
}

func TestDescribe_HasALineForEachPolicyAndParameter(t *testing.T) {
	text := policy.Describe()
	for _, name := range policy.Names() {
		require.Contains(t, text, "  "+name+" ")
	}
	require.Contains(t, text, "q=0.5: quantile")
}

func TestDescribe_TellsOnceWhatAllButTheBaselinesHave(t *testing.T) {
	_, options, found := strings.Cut(policy.Describe(), "\nAll policies but balance and random have these, too:\n")
	require.True(t, found)
	lines := strings.Split(strings.TrimSpace(options), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^hedge=0\.15: .*; pull: hedge=1$`, lines[0])
	require.Regexp(t, `^ *throttle=0: `, lines[1])
	require.Regexp(t, `^ *eject=on: `, lines[2])
}

func TestNew_NamesTheParametersThereAre(t *testing.T) {
	for word, want := range map[string]string{
		"pull:hedge":    `policy "pull:hedge": "hedge" is not PARAMETER=VALUE; write pull:half-life=VALUE; its parameters are half-life, explore, hedge, throttle, eject`,
		"p2c:":          `policy "p2c:": nothing stands behind the colon; write p2c:hedge=VALUE; its parameters are hedge, throttle, eject`,
		"random:":       `policy "random:": nothing stands behind the colon; write random alone: it has no parameters`,
		"random:hedge":  `policy "random:hedge": "hedge" is not PARAMETER=VALUE; write random alone: it has no parameters`,
		"p2c:speed=1":   `policy "p2c:speed=1": it has no parameter "speed"; write p2c:hedge=VALUE; its parameters are hedge, throttle, eject`,
		"p2c:hedge=two": `policy "p2c:hedge=two": hedge=two is no number from 0 to 1; write p2c:hedge=VALUE; its parameters are hedge, throttle, eject`,
	} {
		_, err := policy.New(word)
		require.Equal(t, want, job.Describe(err))
	}
}

package params_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/params"
)

// all asks for one of each kind.
func all(p *params.List) []any {
	return []any{
		p.Float("q", .5, 0, 1, "a part"), p.Int("pool", 16, 1, 64, "probes kept"),
		p.Duration("age", time.Second, 0, time.Minute, "of a probe"), p.Bool("eject", true, "or not"),
	}
}

func TestList_TakesWhatWasWritten(t *testing.T) {
	p := params.Parse("eject=off,q=0.25,age=3s,pool=8")
	require.Equal(t, []any{.25, 8, 3 * time.Second, false}, all(p))
	require.NoError(t, p.Finish())
	p = params.Parse("")
	require.Equal(t, []any{.5, 16, time.Second, true}, all(p))
	require.Equal(t, "q=0.5: a part", p.Infos()[0])
	require.Equal(t, "write it:q=VALUE; its parameters are q, pool, age, eject", p.Hint("it"))
}

func TestList_SaysWhatIsWrong(t *testing.T) {
	for list, want := range map[string]string{
		"q":             `"q" is not PARAMETER=VALUE`,
		"=1":            `"=1" is not PARAMETER=VALUE`,
		"q=1,q=1":       "the parameter q is given twice",
		"q=2":           "q=2 is no number from 0 to 1",
		"q=NaN":         "q=NaN is no number from 0 to 1",
		"pool=0":        "pool=0 is no whole number from 1 to 64",
		"pool=1.5":      "pool=1.5 is no whole number from 1 to 64",
		"age=1h":        "age=1h is no time from 0s to 1m0s",
		"eject=perhaps": "eject=perhaps is neither on nor off",
		"speed=3":       `it has no parameter "speed"`,
	} {
		p := params.Parse(list)
		all(p)
		require.EqualError(t, p.Finish(), want, list)
		require.Contains(t, p.Hint("it"), "its parameters are q, pool, age, eject", list)
	}
}

func TestCut_PartsTheNameFromItsParameters(t *testing.T) {
	for word, want := range map[string]string{"it": "", "it:q=0.25": "", "it:": "nothing stands behind the colon", "it:q": `"q" is not PARAMETER=VALUE`} {
		name, p := params.Cut(word)
		require.Equal(t, "it", name, word)
		all(p)
		if want == "" {
			require.NoError(t, p.Finish(), word)
			continue
		}
		require.EqualError(t, p.Finish(), want, word)
	}
}

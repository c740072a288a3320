package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInfos_EachDefaultIsOneThatThePolicyTakes(t *testing.T) {
	all := Infos()
	require.Len(t, all, len(Names()))
	for _, info := range all {
		require.NotEmpty(t, info.Summary)
		_, err := New(info.Name)
		require.NoError(t, err)
		for _, p := range info.Params {
			require.NotEmpty(t, p.Summary, info.Name+" "+p.Name)
			_, err := New(info.Name + ":" + p.Name + "=" + p.Default)
			require.NoError(t, err, info.Name)
		}
	}
}

func TestInfos_TheBaselinesHaveNoHedge(t *testing.T) {
	for _, info := range Infos() {
		r, err := New(info.Name)
		require.NoError(t, err)
		var names []string
		for _, p := range info.Params {
			names = append(names, p.Name)
		}
		if r.Traits().Baseline {
			require.NotContains(t, names, "hedge", info.Name)
		} else {
			require.Subset(t, names, []string{"hedge", "throttle", "eject"}, info.Name)
		}
	}
}

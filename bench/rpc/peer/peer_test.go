package peer_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/rpc/peer"
)

// The servers and clients here live as long as the process, as in a run, so that
// nothing looks for goroutines that stayed.
func TestPeers_EchoSmallAndLargeData(t *testing.T) {
	for _, p := range peer.All() {
		t.Run(p.Name, func(t *testing.T) {
			l, endpoint, err := p.Listen(t.TempDir())
			require.NoError(t, err)
			go func() { _ = p.Serve(l) }() // where it ends early, calls fail
			client, err := p.Dial(endpoint)
			require.NoError(t, err)
			for range 2 {
				caller, err := client.Caller()
				require.NoError(t, err)
				for _, n := range []int{0, 16, 200_000, 5_000_000} {
					data := bytes.Repeat([]byte{0xa5}, n)
					answer, err := caller.Echo(t.Context(), data)
					require.NoError(t, err)
					require.True(t, bytes.Equal(data, answer), "%d bytes", n)
				}
				start := time.Now()
				answer, err := caller.After(t.Context(), []byte("later"))
				require.NoError(t, err)
				require.Equal(t, "later", string(answer))
				// A lower bound, which a busy machine cannot break.
				require.GreaterOrEqual(t, time.Since(start), peer.Delay, "the handler takes its time")
			}
		})
	}
}

func TestPeers_HaveNamesOfTheirOwnAndVersions(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range peer.All() {
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
		found, err := peer.Find(p.Name)
		require.NoError(t, err)
		require.Equal(t, p.Note, found.Note)
	}
	require.True(t, seen[peer.Own])
	require.True(t, seen[peer.Base])
	_, err := peer.Find("none")
	require.EqualError(t, err, `there is no peer "none"; there are spillway, grpc-go, net/rpc, kitex mux, stock Thrift, spillway unix, spillway TLS`)
}

//go:build gocv_specific_modules

package test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetrics_AgreeWithTheJob(t *testing.T) {
	at := freeAddr(t)
	c := newCluster(t, []string{"--http", at, "--demo"},
		nodeArgs{"0.6", "--delay", "100ms", "--seed", "1"}, nodeArgs{"0.2", "--delay", "100ms", "--seed", "2"})
	const tasks = 60
	dir := c.folder("pictures")
	for i := range tasks {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("p%d.png", i)))
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, image.NewGray(image.Rect(0, 0, 32, 32))))
		require.NoError(t, f.Close())
	}
	j, code := c.run("pictures")
	require.Zero(t, code)

	api := &caller{t: t, base: "http://" + at}
	var session struct{ Token string }
	require.NoError(t, json.Unmarshal(api.call("POST", api.base+"/login", nil, 200), &session))
	api.token = session.Token
	text := string(api.call("GET", api.base+"/metrics", nil, 200))
	rejected := 0
	for _, n := range j.Nodes {
		for outcome, count := range map[string]int{"done": n.Done, "rejected": n.Rejected, "failed": n.Failed, "superseded": n.Superseded} {
			require.Contains(t, text, fmt.Sprintf("spillway_attempts_total{node=%q,operation=%q,outcome=%q,policy=%q} %d\n",
				n.Node, "edges", outcome, "pull", count))
		}
		require.Contains(t, text, fmt.Sprintf("spillway_delayed_total{node=%q} %d\n", n.Node, n.Delayed))
		require.Contains(t, text, fmt.Sprintf("spillway_node_state{node=%q,state=%q} 0\n", n.Node, "inaccessible"))
		rejected += n.Rejected
	}
	require.Positive(t, rejected, "there was something to count")
	for _, line := range []string{
		fmt.Sprintf(`spillway_tasks_total{state="done"} %d`, tasks),
		`spillway_jobs_total{state="succeeded"} 1`,
		fmt.Sprintf(`spillway_store_group_size_sum %d`, tasks+1),
		`spillway_http_requests_total{method="POST",route="/login",status="2xx"} 1`,
		`spillway_http_requests_in_flight 1`,
		`spillway_users{role="admin"} 2`,
		`spillway_window_tasks 1024`,
		`spillway_store_queue 0`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

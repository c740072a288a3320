package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// ended is a job over 100 inputs that took 12.5 s.
func ended(id job.ID, policy string, state job.State) job.Job {
	return job.Job{
		ID: id, State: state, Created: noon, Started: noon, Finished: noon.Add(12500 * time.Millisecond), Counted: true,
		Spec:  job.Spec{ID: id, Source: "/srv/data", Policy: policy, Operation: job.Operation{Name: "edges"}},
		Total: 100, Done: 100,
		Nodes: []job.Tally{
			{Node: "node_0", Done: 99, Rejected: 7, Delayed: 12, Busy: 99 * 1512 * time.Millisecond},
			{Node: "node_10", Done: 1, Rejected: 1234, Failed: 2, Busy: 12345600 * time.Microsecond},
		},
	}
}

// printed is what printJobs prints.
func printed(cfg config, jobs ...job.Job) string {
	var out bytes.Buffer
	s := &session{cfg: cfg, out: output{stdout: &out}}
	s.printJobs(jobs)
	return out.String()
}

func TestReport_OneJob(t *testing.T) {
	require.Equal(t, `policy   operation  state      job     time s     done  failed  tasks/s
balance  edges      succeeded  abc123   12.50  100/100       0      8.0

node     done  rejected  delayed  failed  mean ms
node_0     99         7       12       0   1512.0
node_10     1      1234        0       2  12345.6
total     100      1241       12       2   1620.3

The rows of the nodes count attempts; one that failed was made again elsewhere.

outputs: /srv/data/output_dir
`, printed(config{}, ended("abc123", "balance", job.Succeeded)))
}

func TestReport_TwoJobsSideBySide(t *testing.T) {
	second := ended("def456", "balance", job.Succeeded)
	second.Finished = noon.Add(5 * time.Second)
	second.Nodes = []job.Tally{{Node: "node_0", Done: 100, Busy: 5 * time.Second}, {Node: "node_2", Rejected: 3}}
	require.Equal(t, `policy   operation  state      job     time s     done  failed  tasks/s
random   edges      succeeded  abc123   12.50  100/100       0      8.0
balance  edges      succeeded  def456    5.00  100/100       0     20.0

         |  random                                    |  balance
node     |  done  rejected  delayed  failed  mean ms  |  done  rejected  delayed  failed  mean ms
`, strings.Join(strings.SplitAfter(printed(config{}, ended("abc123", "random", job.Succeeded), second), "\n")[:6], ""))
}

func TestReport_NamesFailuresWithReasons(t *testing.T) {
	j := ended("abc123", "balance", job.Failed)
	j.Done, j.Failed, j.Quarantined, j.Nodes = 97, 2, 1, nil
	j.Failures = []job.Failure{
		{Name: "z.png", Err: job.E(job.NotFound, "read /srv/data/input_dir/z.png", errors.New("no such file"), "")},
		{Name: "c.png", Quarantined: true, Nodes: []job.NodeID{"node_0", "node_2", "node_1"}, Err: job.E(job.Internal, "", errors.New("the worker died"), "look at the node's log")},
		{Name: "b.png"},
	}
	require.Equal(t, `policy   operation  state   job     time s    done  failed  tasks/s
balance  edges      failed  abc123   12.50  97/100       3      7.8

failed: 3 of 100
  b.png: unknown
  c.png: quarantined, it broke node_0, node_2, node_1: the worker died; look at the node's log
  z.png: read /srv/data/input_dir/z.png: no such file

outputs: /srv/data/output_dir
`, printed(config{}, j))
}

func TestReport_BoundsTheNamesItPrints(t *testing.T) {
	j := ended("abc123", "balance", job.Failed)
	j.Done, j.Failed = 0, 100
	j.Err = job.E(job.DeadlineExceeded, "job abc123", errors.New("the deadline of 1s passed with 100 of 100 tasks not done"), "give it more time")
	for n := range 100 {
		j.Failures = append(j.Failures, job.Failure{Name: fmt.Sprintf("%03d.png", n), Err: job.E(job.DeadlineExceeded, "", errors.New("late"), "")})
	}
	text := printed(config{}, j, ended("def456", "random", job.Succeeded))
	require.Equal(t, shownFailures, strings.Count(text, ".png: late\n"))
	require.Contains(t, text, "\njob abc123: the deadline of 1s passed with 100 of 100 tasks not done; give it more time\n\nfailed with balance: 100 of 100\n  000.png: late\n")
	require.Contains(t, text, "  019.png: late\n  and 80 more (client --json job abc123 names up to 1000)\n")
	require.Contains(t, text, "outputs: ", "the other job has some")
}

func TestReport_TellsWhatWasSkipped(t *testing.T) {
	j := ended("abc123", "balance", job.Succeeded)
	require.NotContains(t, printed(config{}, j), "skipped")
	j.Skipped = 7
	require.Contains(t, printed(config{}, j), "\nskipped: 7 of input_dir that the operation does not take, by their names\n")
}

func TestReport_NoOutputsWhereThereAreNone(t *testing.T) {
	j := ended("abc123", "balance", job.Succeeded)
	j.Spec.Operation.Name = "none"
	require.NotContains(t, printed(config{}, j), "outputs")
	j = ended("abc123", "balance", job.Failed)
	j.Done = 0
	require.NotContains(t, printed(config{}, j), "outputs")
}

func TestReport_JSONHasOneShape(t *testing.T) {
	j := ended("abc123", "balance", job.Failed)
	j.Done, j.Failed, j.Skipped, j.Nodes = 99, 1, 3, j.Nodes[:1]
	j.Failures = []job.Failure{{Name: "b.png", Attempts: 2, Nodes: []job.NodeID{"node_0"}, Err: job.E(job.NotFound, "read b.png", errors.New("gone"), "look")}}
	j.Err = job.E(job.Unavailable, "", errors.New("the disk broke"), "")
	text := printed(config{json: true}, j, j)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 2, "a line a job")
	require.JSONEq(t, `{"id":"abc123","state":"failed","source":"/srv/data","operation":"edges","policy":"balance","priority":0,
		"created":"2026-01-02T12:00:00Z","elapsed_s":12.5,"total":100,"done":99,"failed":1,"quarantined":0,"running":0,"parked":0,"skipped":3,
		"nodes":[{"node":"node_0","done":99,"rejected":7,"delayed":12,"failed":0,"superseded":0,"mean_ms":1512}],
		"failures":[{"name":"b.png","attempts":2,"nodes":["node_0"],"quarantined":false,"error":{"code":"not_found","message":"read b.png: gone","hint":"look"}}],
		"error":{"code":"unavailable","message":"the disk broke"}}`, lines[0])

	var empty map[string]any
	require.NoError(t, json.Unmarshal([]byte(printed(config{json: true}, job.Job{Failures: []job.Failure{{Name: "x"}}})), &empty))
	require.Equal(t, []any{}, empty["nodes"], "a list is never null")
	require.Equal(t, []any{}, empty["failures"].([]any)[0].(map[string]any)["nodes"])
}

func TestProgress_LineSaysHowFarHowFastAndHowLong(t *testing.T) {
	j := job.Job{State: job.Running, Created: noon, Total: 200, Done: 49, Failed: 1, Running: 4}
	require.Equal(t, "49/200 done, 1 failed, 25%, 5.0/s, 30s left", progressLine(j, noon.Add(10*time.Second)))
	j.Parked, j.Waiting = 4, "every node rejects"
	require.Equal(t, "49/200 done, 1 failed, 25%, 5.0/s, 30s left, waiting: every node rejects", progressLine(j, noon.Add(10*time.Second)))
	require.Equal(t, "0/0 done", progressLine(job.Job{State: job.Queued, Created: noon}, noon.Add(time.Second)))
}

func TestProgress_IsLinesInAPipeAndABarOnATerminal(t *testing.T) {
	var err bytes.Buffer
	out := output{stderr: &err}
	j := job.Job{State: job.Running, Created: noon, Total: 200, Done: 50, Running: 1, Parked: 1, Waiting: "no node answers"}

	p := (&session{out: out}).newProgress()
	p.show(j)
	require.Empty(t, err.String(), "a short job needs no line")
	p.(*lines).last = time.Time{}
	p.show(j)
	p.show(j)
	p.close()
	require.Equal(t, 1, strings.Count(err.String(), "\n"))
	require.NotContains(t, err.String(), "\x1b")

	err.Reset()
	out.terminal = true
	p = (&session{out: out}).newProgress()
	p.show(j)
	p.close()
	require.Contains(t, err.String(), "50/200")
	require.Contains(t, err.String(), "waiting: no node answers")

	err.Reset()
	for _, cfg := range []config{{quiet: true}, {json: true}} {
		p = (&session{out: out, cfg: cfg}).newProgress()
		p.show(j)
		p.close()
	}
	require.Empty(t, err.String())
}

func TestReport_TasksTellAttemptsFromEndsWithoutANode(t *testing.T) {
	failed := func(number int, node job.NodeID) job.Attempt {
		return job.Attempt{Number: number, Node: node, Took: 1500 * time.Microsecond, Err: job.E(job.DataLoss, "", errors.New("damaged"), "")}
	}
	late := job.Attempt{Err: job.E(job.DeadlineExceeded, "", errors.New("too late"), "")}
	var out bytes.Buffer
	s := &session{out: output{stdout: &out}}
	s.printTasks([]job.TaskInfo{{Name: "a.png", State: job.TaskFailed, Attempts: []job.Attempt{failed(1, "node_0")}}})
	require.Equal(t, `
task  name   state   node    attempt  queued ms  run ms  total ms    error
0     a.png  failed  node_0        1        0.0     0.0       1.5  damaged
`, out.String())
	out.Reset()
	s.printTasks([]job.TaskInfo{{Name: "a.png", State: job.TaskFailed, Attempts: []job.Attempt{failed(1, "node_0"), late}}})
	require.Equal(t, `
task  name   state   node    attempt  queued ms  run ms  total ms     error
0     a.png  failed  node_0        1        0.0     0.0       1.5   damaged
                     -             -          -       -         -  too late

A row without a node is no attempt: no node had the task when it ended.
`, out.String())
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/view"
)

// part is the name of a task.
func part(number int) string {
	return job.Part{File: "clip.avi", Number: number, Of: 16, To: 1, Count: 1, Note: "-"}.Name()
}

// story is what happens to a video of sixteen parts of which one is damaged.
func story() []job.Step {
	torn := job.E(job.DataLoss, "read clip.avi", errors.New("it is damaged"), "copy it again")
	return []job.Step{
		{Number: 1, Kind: job.SplitStep, At: noon, Name: "clip.avi", Parts: 16, Took: 800 * time.Millisecond},
		{
			Number: 2, Kind: job.TaskStep, At: noon, Name: part(3), State: job.TaskDone, Ended: 4, Node: "node_1", Attempts: 1,
			Took: 1234 * time.Millisecond, Queued: 100 * time.Millisecond, Run: time.Second,
		},
		{Number: 3, Kind: job.TaskStep, At: noon, Name: "a.png", State: job.TaskDone, Ended: 5, Node: "node_0", Attempts: 3, Took: 4 * time.Millisecond},
		{Number: 4, Kind: job.TaskStep, At: noon, Name: part(4), State: job.TaskQuarantined, Ended: 6, Node: "node_2", Attempts: 3, Took: time.Second, Err: torn},
		{Number: 5, Kind: job.TaskStep, At: noon, Name: "late.png", State: job.TaskFailed, Ended: 16, Err: job.E(job.DeadlineExceeded, "", errors.New("no node took it"), "")},
		{Number: 6, Kind: job.JoiningStep, At: noon, Name: "clip.avi", Parts: 16},
		{Number: 7, Kind: job.JoinedStep, At: noon, Name: "clip.avi", Parts: 16, Took: 410 * time.Millisecond, Bytes: 1 << 20},
		{Number: 8, Kind: job.JoinedStep, At: noon, Name: "e\x1b[2J.avi", Parts: 16, Took: time.Second, Err: torn},
	}
}

func TestSteps_AreALineEachInAPipe(t *testing.T) {
	var err bytes.Buffer
	s := &session{out: output{stderr: &err}}
	p := s.newStepProgress()
	p.event(job.Event{Job: job.Job{State: job.Running, Total: 16, Done: 13, Failed: 3}, Steps: story(), Skipped: 3})
	p.event(job.Event{Job: job.Job{State: job.Running, Total: 16, Done: 14, Failed: 2}, Skipped: 1})
	p.event(job.Event{Job: job.Job{State: job.Failed, Total: 16, Done: 14, Failed: 2}, Skipped: 1})
	p.close()
	require.Equal(t, `3 tasks ended, not listed here (18%)
split clip.avi into 16 parts in 0.8s
clip.avi part 3 of 16 done on node_1 in 1.2s (25%)
a.png done on node_0 in 0.004s, attempt 3 (31%)
clip.avi part 4 of 16 quarantined on node_2 in 1.0s, attempt 3: read clip.avi: it is damaged; copy it again (37%)
late.png failed: no node took it (100%)
joining clip.avi
joined clip.avi in 0.4s
"e\x1b[2J.avi" not joined: read clip.avi: it is damaged; copy it again
2 tasks ended, not listed here (100%)
`, err.String())
}

func TestSteps_WhereNothingHappensALineTellsHowFarItIs(t *testing.T) {
	var err bytes.Buffer
	p := (&session{out: output{stderr: &err}}).newStepProgress()
	j := job.Job{State: job.Running, Total: 16, Done: 4, Running: 1, Parked: 1, Waiting: "every node rejects", Created: time.Now()}
	p.event(job.Event{Job: j})
	require.Empty(t, err.String())
	p.(*stepLines).last = time.Time{}
	p.show(j)
	require.Contains(t, err.String(), "4/16 done, 25%")
	require.Contains(t, err.String(), "waiting: every node rejects")
}

func TestSteps_AreAnObjectEachForPrograms(t *testing.T) {
	var out bytes.Buffer
	s := &session{cfg: config{json: true}, out: output{stdout: &out, terminal: true}}
	p := s.newStepProgress()
	p.event(job.Event{Job: job.Job{ID: "j", State: job.Running, Total: 16, Done: 13, Failed: 3}, Steps: story(), Skipped: 3})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 1+len(story()))
	for i, want := range map[int]string{
		0: `{"event":"progress","job":"j","state":"running","total":16,"done":13,"failed":3,"percent":100,"skipped":3}`,
		1: `{"event":"split","job":"j","number":1,"at":"2026-01-02T12:00:00Z","name":"clip.avi","parts":16,"took_ms":800,"percent":0}`,
		2: `{"event":"task","job":"j","number":2,"at":"2026-01-02T12:00:00Z","name":"clip.avi","part":3,"parts":16,"took_ms":1234,
			"state":"done","percent":25,"node":"node_1","attempts":1,"queued_ms":100,"run_ms":1000}`,
		4: `{"event":"task","job":"j","number":4,"at":"2026-01-02T12:00:00Z","name":"clip.avi","part":4,"parts":16,"took_ms":1000,
			"state":"quarantined","percent":37,"node":"node_2","attempts":3,
			"error":{"code":"data_loss","message":"read clip.avi: it is damaged","hint":"copy it again"}}`,
		6: `{"event":"joining","job":"j","number":6,"at":"2026-01-02T12:00:00Z","name":"clip.avi","parts":16,"took_ms":0,"percent":100}`,
		7: `{"event":"joined","job":"j","number":7,"at":"2026-01-02T12:00:00Z","name":"clip.avi","parts":16,"took_ms":410,"bytes":1048576,"percent":100}`,
	} {
		require.JSONEq(t, want, lines[i])
	}
	s.cfg.quiet = true
	require.Equal(t, silence{}, s.newStepProgress())
}

func TestSteps_AreAPartOfTheBarOnATerminal(t *testing.T) {
	var err bytes.Buffer
	p := (&session{out: output{stderr: &err, terminal: true}}).newStepProgress()
	p.event(job.Event{Job: job.Job{State: job.Running, Total: 32, Done: 13, Failed: 3}, Steps: story()})
	p.close()
	require.Contains(t, err.String(), "16/32")
	require.NotContains(t, err.String(), "split")
}

func TestInputs_TellHowLongEachTookToSplitAndToJoin(t *testing.T) {
	var out bytes.Buffer
	s := &session{out: output{stdout: &out}}
	s.printInputs(view.Inputs(story()))
	require.Equal(t, `
input           parts  split s  join s  size                         error
clip.avi           16    0.800   0.410  1.0M
"e\x1b[2J.avi"     16        -       -     -  read clip.avi: it is damaged
`, out.String())

	failed := append([]job.Step{{Kind: job.JoinedStep, Name: "clip.avi", Err: job.E(job.Internal, "", errors.New("no"), "")}}, story()...)
	require.True(t, view.Inputs(failed)[0].Joined, "the last time counts")
	require.Nil(t, view.Inputs(failed)[0].Error)
	out.Reset()
	s.printInputs(nil)
	require.Empty(t, out.String())
}

func TestClient_WatchTellsEachTaskAndThenTheJob(t *testing.T) {
	s := serve(t, works)
	_, stdout, _ := client(t.Context(), "--server", s.addr, "--detach", "/three")
	id := strings.TrimSpace(stdout)
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "watch", id)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "3/3")
	for n := range 3 {
		require.Regexp(t, fmt.Sprintf(`(?m)^a%d\.png done on node_0 in 0\.\d+s \((33|66|100)%%\)$`, n), stderr)
	}
	code, stdout, stderr = client(t.Context(), "--server", s.addr, "--json", "watch", id)
	require.Equal(t, exitDone, code, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 4)
	require.Contains(t, lines[0], `"event":"task"`)
	var last struct {
		ID    string
		State job.State
	}
	decode(t, lines[3], &last)
	require.Equal(t, id, last.ID, "the job itself comes last")
	require.Equal(t, job.Succeeded, last.State)
	_, stdout, _ = client(t.Context(), "--server", s.addr, "--json", "--quiet", "watch", id)
	require.Equal(t, 1, strings.Count(stdout, "\n"))
}

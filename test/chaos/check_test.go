package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestCheckOutputs_SeesEachViolation(t *testing.T) {
	const inputs = 3
	rows := []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
	}{
		{"none", func(*testing.T, string) {}, nil},
		{
			"one is missing", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, pictureName(1)))) },
			[]string{"no output of p001.png"},
		},
		{
			"one is cut off", func(t *testing.T, dir string) { require.NoError(t, os.Truncate(filepath.Join(dir, pictureName(2)), 2)) },
			[]string{"the output of p002.jpg is another than without faults"},
		},
		{
			"a temporary file", func(t *testing.T, dir string) { write(t, dir, ".spillway-1.part", "x") },
			[]string{"left behind in output_dir: .spillway-1.part"},
		},
		{
			"one too many", func(t *testing.T, dir string) { write(t, dir, "p003.png", "x") },
			[]string{"left behind in output_dir: p003.png"},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range inputs {
				write(t, dir, pictureName(i), fmt.Sprint("output ", i))
			}
			expected, err := hashes(dir)
			require.NoError(t, err)
			row.damage(t, dir)
			require.Equal(t, row.want, checkOutputs(dir, inputs, expected))
		})
	}
}

func write(t *testing.T, dir, name, text string) {
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func TestCheckAnswer_SeesEachViolation(t *testing.T) {
	rows := []struct {
		name   string
		damage func(a *answer)
		want   string // "": all is well
	}{
		{"none", func(*answer) {}, ""},
		{"an earlier attempt failed", func(a *answer) { a.Tasks[0].Attempts = slices.Insert(a.Tasks[0].Attempts, 0, attempt("unavailable")) }, ""},
		{"another state", func(a *answer) { a.State = job.Failed }, "the job is failed"},
		{"one counts twice", func(a *answer) { a.Done++ }, "3 done"},
		{"one is lost", func(a *answer) { a.Tasks = a.Tasks[:1] }, "lists 1 done tasks of 2"},
		{"one is parked for ever", func(a *answer) { a.Parked = 1 }, "1 parked"},
		{"the rows count twice", func(a *answer) { a.Nodes[0].Done++ }, "add up to 3 of 2"},
		{"two attempts did it", func(a *answer) { a.Tasks[1].Attempts = append(a.Tasks[1].Attempts, attempt("")) }, "task 1, , the 1th"},
		{"one is listed twice", func(a *answer) { a.Tasks[1] = a.Tasks[0] }, "task 0, , the 1th"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := answer{State: job.Succeeded, Total: 2, Done: 2, Tasks: []task{{Index: 0}, {Index: 1}}}
			a.Nodes = append(a.Nodes, struct {
				Node string
				Done int64
			}{"node_0", 2})
			for i := range a.Tasks {
				a.Tasks[i].Attempts = append(a.Tasks[i].Attempts, attempt(""))
			}
			row.damage(&a)
			wrong := strings.Join(checkAnswer(a, 2), "; ")
			if row.want == "" {
				require.Empty(t, wrong)
			}
			require.Contains(t, wrong, row.want)
		})
	}
}

// attempt is one that ended with an error of that code; "": with none.
func attempt(code string) (a struct {
	Number int
	Node   string
	Error  *struct{ Code string }
},
) {
	if code != "" {
		a.Error = &struct{ Code string }{code}
	}
	return a
}

func TestCheckGoroutines_SeesOneThatIsLeft(t *testing.T) {
	c := &cluster{}
	const quiet = "ready\nSIGQUIT: quit\nPC=0x1\n\ngoroutine 1 gp=0x1 m=1 mp=0x2 [select]:\nmain.main()\n\n"
	require.Empty(t, c.lookAtGoroutines("server", quiet))
	const left = "goroutine 7 gp=0x1 m=nil [chan receive, 2 minutes]:\nspillway/server/scheduler.(*Scheduler).runTask(0x1)\n\n"
	require.Contains(t, strings.Join(c.lookAtGoroutines("server", quiet+left), ""), "a goroutine is left in scheduler.(*Scheduler).runTask")
	many := quiet + strings.Repeat("goroutine 7 gp=0x1 m=nil [select]:\nx.y(0x1)\n\n", 100)
	require.Contains(t, strings.Join(c.lookAtGoroutines("server", many), ""), "server has 101 goroutines, want at most 40")
	require.Contains(t, strings.Join(c.lookAtGoroutines("server", "ready"), ""), "wrote no stacks")
}

func TestLeftProcesses_SeesAChildOfAChild(t *testing.T) {
	dir := t.TempDir()
	require.Empty(t, leftProcesses(dir))
	cmd := exec.Command("sh", "-c", "sleep 600 & wait")
	cmd.Env = append(os.Environ(), mark+"="+dir)
	out, err := cmd.StdoutPipe() // is closed when both have ended
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return len(leftProcesses(dir)) == 2 }, patience, 1e7)
	require.NoError(t, cmd.Process.Kill())
	require.Eventually(t, func() bool { return len(leftProcesses(dir)) == 1 }, patience, 1e7)
	left := leftProcesses(dir)[0]
	require.Contains(t, left, "sleep 600")
	pid, _, _ := strings.Cut(left, " ")
	require.NoError(t, exec.Command("kill", pid).Run())
	_, err = out.Read(make([]byte, 1))
	require.Error(t, err)
	_ = cmd.Wait() // it was killed
}

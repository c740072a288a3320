package job

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// taskSteps are the ends of tasks, the nth with the number n.
func taskSteps(from, to int64) (steps []Step) {
	for n := from; n <= to; n++ {
		steps = append(steps, Step{Number: n, Kind: TaskStep, Ended: n})
	}
	return steps
}

func TestKnown_CountsTheTasksThatNoStepTellsOf(t *testing.T) {
	rows := []struct {
		name  string
		after int64
		first []Step
		skips [2]int64 // of the first event, where 5 tasks have ended, and of the next, where 9 have
	}{
		{"from the beginning, and all is told", AllSteps, taskSteps(1, 5), [2]int64{0, 1}},
		{"from the beginning, and some is told", AllSteps, taskSteps(4, 5), [2]int64{3, 1}},
		{"from the beginning of a server that tells nothing", AllSteps, nil, [2]int64{5, 1}},
		{"from a step on", 3, taskSteps(5, 5), [2]int64{0, 1}},
		{"nothing is wanted", NoSteps, nil, [2]int64{0, 0}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			k := Known{After: row.after}
			e := k.Next(Job{Done: 4, Failed: 1}, row.first)
			require.Equal(t, row.skips[0], e.Skipped)
			var next []Step
			if row.after != NoSteps {
				next = append(taskSteps(7, 9), Step{Number: 10, Kind: JoiningStep})
			}
			e = k.Next(Job{Done: 7, Quarantined: 1, Failed: 1}, next)
			require.Equal(t, row.skips[1], e.Skipped)
			require.Equal(t, next, e.Steps)
			if row.after != NoSteps {
				require.EqualValues(t, 10, k.After)
			}
			require.Zero(t, k.Next(Job{}, nil).Skipped, "after a retry there are fewer")
		})
	}
}

func TestEvent_ThenLosesNoStepButTheOldest(t *testing.T) {
	first := Event{Job: Job{Version: 1}, Steps: taskSteps(1, 3), Skipped: 2}
	e := first.Then(Event{Job: Job{Version: 2}, Steps: taskSteps(4, 5), Skipped: 1})
	require.Equal(t, Event{Job: Job{Version: 2}, Steps: taskSteps(1, 5), Skipped: 3}, e)

	e = e.Then(Event{Steps: taskSteps(6, 2*MaxSteps+4)})
	require.Equal(t, taskSteps(5, 2*MaxSteps+4), e.Steps)
	require.EqualValues(t, 7, e.Skipped)
}

func TestPercent_IsRoundedDown(t *testing.T) {
	for ended, want := range map[int64]int{0: 0, 1: 0, 2: 1, 199: 99, 200: 100} {
		require.Equal(t, want, Job{Done: ended, Total: 200}.Percent())
	}
	require.Zero(t, Percent(0, 0), "nothing to do")
}

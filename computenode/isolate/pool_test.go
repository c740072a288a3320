package isolate

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestPool_AnswersComeBackToTheirCallers(t *testing.T) {
	p := newPool(t, Config{Size: 3}, nil)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			want := strconv.Itoa(i) + strings.Repeat("x", i*50)
			got, err := p.Do(t.Context(), order{Do: "echo", Arg: want})
			if err != nil || got != want {
				t.Errorf("task %d: got %.20q, err %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestPool_HandlersErrorCrossesWhole(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	_, err := p.Do(t.Context(), order{Do: "fail"})
	require.Equal(t, job.DataLoss, job.CodeOf(err))
	require.EqualError(t, err, "decode a.jpg: it is cut short")
	require.Equal(t, "copy it again", job.HintOf(err))
	_, err = p.Do(t.Context(), order{Do: "plain-fail"})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.EqualError(t, err, "plain")
}

func TestPool_NativeCodeThatPrintsDisturbsNobody(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	for range 50 {
		got, err := p.Do(t.Context(), order{Do: "print", Arg: "ok"})
		require.NoError(t, err)
		require.Equal(t, "ok", got)
	}
}

// childPID asks the next free child for its pid.
func childPID(t *testing.T, p *Pool[order, string]) string {
	t.Helper()
	pid, err := p.Do(t.Context(), order{Do: "pid"})
	require.NoError(t, err)
	return pid
}

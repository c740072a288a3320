package worker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/computenode/operation"
	"spillway/job"
)

func TestWorker_AttemptThatNobodyWantsIsNoWarning(t *testing.T) {
	killed := job.E(job.Internal, "", errors.New("the program was killed"), "")
	rows := []struct {
		name string
		gone bool
		err  error
		want string
	}{
		{"it failed", false, killed, `level=WARN msg="task failed"`},
		{"it was given up", true, killed, `level=DEBUG msg="attempt given up"`},
		{"it was given up, and panicked", true, &operation.PanicError{}, `level=WARN msg="task failed"`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			w, base := newWorker(t, Config{Slots: 1}, &script{}, just(runnerFunc(func(context.Context, operation.Request) (operation.Reply, error) {
				if row.gone {
					cancel(errors.New("the caller is gone"))
				}
				return operation.Reply{}, row.err
			})))
			var out bytes.Buffer
			w.log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := w.Execute(ctx, job.Task{Base: base, Name: "a.png"})
			require.Error(t, err)
			require.Equal(t, 1, strings.Count(out.String(), "level="))
			require.Contains(t, out.String(), row.want)
		})
	}
}

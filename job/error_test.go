package job_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestCodeOf_FindsTheCodeOfAnyError(t *testing.T) {
	own := job.E(job.NotFound, "open x", errors.New("gone"), "")
	rows := []struct {
		name string
		err  error
		want job.Code
	}{
		{"own", own, job.NotFound},
		{"wrapped", fmt.Errorf("step: %w", own), job.NotFound},
		{"joined", errors.Join(errors.New("other"), own), job.NotFound},
		{"cancelled context", fmt.Errorf("read: %w", context.Canceled), job.CancelledCode},
		{"deadline", fmt.Errorf("read: %w", context.DeadlineExceeded), job.DeadlineExceeded},
		{"own before the context's", job.E(job.Unavailable, "", context.Canceled, ""), job.Unavailable},
		{"unknown", errors.New("x"), job.Internal},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, job.CodeOf(row.err))
			require.Equal(t, row.want, job.AsError(row.err).Code)
		})
	}
}

func TestAsError_KeepsNilAndItsOwn(t *testing.T) {
	require.Nil(t, job.AsError(nil))
	own := &job.Error{Code: job.ResourceExhausted, Err: errors.New("busy"), RetryAfter: time.Second, Load: &job.Load{Slots: 2}}
	require.Same(t, own, job.AsError(fmt.Errorf("send: %w", own)), "retry-after and load travel along")
}

func TestError_UnwrapsToItsCause(t *testing.T) {
	err := job.E(job.Unavailable, "send", fmt.Errorf("dial: %w", job.ErrNotSent), "start it")
	require.ErrorIs(t, err, job.ErrNotSent)
	require.EqualError(t, err, "send: dial: not sent")
	require.EqualError(t, job.E(job.Internal, "", errors.New("x"), ""), "x")
	require.EqualError(t, &job.Error{Code: job.Internal, Op: "run"}, "run: internal", "a missing cause does no harm")
}

func TestDescribe_IsOneLineWithTheHint(t *testing.T) {
	require.Equal(t, "read a.jpg: damaged; look at it",
		job.Describe(fmt.Errorf("read %w", job.E(job.DataLoss, "a.jpg", errors.New("damaged"), "look at it"))))
	require.Equal(t, "one two three; four five",
		job.Describe(job.E(job.Internal, "", errors.New("one\ntwo\r\nthree"), "four\nfive")))
	require.Equal(t, "plain", job.Describe(errors.New("plain")))
}

func TestPermanent_IsWhatEveryNodeWouldAnswer(t *testing.T) {
	permanent := []job.Code{
		job.InvalidArgument, job.NotFound, job.AlreadyExists, job.FailedPrecondition,
		job.Unimplemented, job.Unauthenticated, job.PermissionDenied, job.DataLoss,
	}
	for _, code := range permanent {
		require.True(t, code.Permanent(), code)
	}
	for _, code := range []job.Code{job.ResourceExhausted, job.Unavailable, job.DeadlineExceeded, job.CancelledCode, job.Internal, "rubbish", ""} {
		require.False(t, code.Permanent(), code)
	}
}

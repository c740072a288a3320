package rpc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// fill sets every field that there is, so that a field that is added to package
// job and not carried fails these tests.
func fill(v reflect.Value, rng *rand.Rand) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMicro(1 + rng.Int64N(1<<50)).UTC()))
		return
	case time.Duration:
		v.SetInt(int64(time.Millisecond) * (1 + rng.Int64N(1<<30)))
		return
	case *job.Error:
		v.Set(reflect.ValueOf(job.E(job.DataLoss, "", errors.New("cause "+strconv.FormatInt(rng.Int64(), 10)), "mend it")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("ü %d", rng.Int64()))
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + rng.Int64N(1<<31-1))
	case reflect.Float64:
		v.SetFloat(rng.NormFloat64())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface: // a task's content is no data
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 4))
		for i := range v.Len() {
			fill(v.Index(i), rng)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + rng.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, rng)
			fill(value, rng)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, rng)
		}
	default:
		panic("cannot fill " + v.Type().String())
	}
}

// roundTrip checks that what goes over comes back, full and empty.
func roundTrip[T any](t *testing.T, there func(T) T) {
	t.Helper()
	var zero T
	require.Equal(t, zero, there(zero), "the zero value")
	for seed := range uint64(200) {
		var v T
		fill(reflect.ValueOf(&v).Elem(), rand.New(rand.NewPCG(seed, 1)))
		require.Equal(t, v, there(v), "seed %d", seed)
	}
}

func TestConvert_CarriesEveryField(t *testing.T) {
	now := time.Now()
	t.Run("job", func(t *testing.T) { roundTrip(t, func(j job.Job) job.Job { return jobFromWire(jobToWire(j)) }) })
	t.Run("step", func(t *testing.T) { roundTrip(t, func(s job.Step) job.Step { return stepFromWire(stepToWire(s)) }) })
	t.Run("spec", func(t *testing.T) { roundTrip(t, func(s job.Spec) job.Spec { return specFromWire(specToWire(s)) }) })
	t.Run("filter", func(t *testing.T) {
		roundTrip(t, func(f job.Filter) job.Filter { return filterFromWire(filterToWire(f)) })
	})
	t.Run("node", func(t *testing.T) { roundTrip(t, func(n job.Node) job.Node { return nodeFromWire(nodeToWire(n)) }) })
	t.Run("profile", func(t *testing.T) {
		roundTrip(t, func(p job.Profile) job.Profile { return profileFromWire(profileToWire(p)) })
	})
	t.Run("registration", func(t *testing.T) {
		roundTrip(t, func(r job.Registration) job.Registration { return registrationFromWire(registrationToWire(r)) })
	})
	t.Run("load", func(t *testing.T) { roundTrip(t, func(l job.Load) job.Load { return loadFromWire(loadToWire(l)) }) })
	t.Run("result", func(t *testing.T) {
		roundTrip(t, func(r job.Result) job.Result { return resultFromWire(resultToWire(r)) })
	})
	t.Run("task", func(t *testing.T) {
		roundTrip(t, func(task job.Task) job.Task {
			sent := task
			if !task.Deadline.IsZero() {
				sent.Deadline = now.Add(time.Duration(task.Index) * time.Millisecond)
			}
			got := taskFromWire(taskToWire(t.Context(), sent, now), now)
			require.Equal(t, sent.Deadline, got.Deadline)
			got.Deadline = task.Deadline
			return got
		})
	})
}

func TestConvert_ErrorsCrossAsCodeTextAndHint(t *testing.T) {
	secret := errors.New("open a.jpg")
	for code := range codes {
		sent := job.E(code, "read", fmt.Errorf("step: %w", secret), "do this")
		got := failureFromWire(failureToWire(sent))
		require.Equal(t, code, got.Code)
		require.Equal(t, sent.Error(), got.Error())
		require.Equal(t, sent.Hint, got.Hint)
		require.NotErrorIs(t, got, secret)
	}
	require.Equal(t, job.Internal, failureFromWire(failureToWire(job.E("strange", "", secret, ""))).Code)
	require.Equal(t, "a\uFFFDb", failureFromWire(failureToWire(errors.New("a\xffb"))).Error())
}

func TestConvert_RejectionCarriesRetryAfterAndLoad(t *testing.T) {
	sent := job.E(job.ResourceExhausted, "node_1", errors.New("the draw was 0.1"), "")
	sent.RetryAfter = 1500 * time.Millisecond
	sent.Load = &job.Load{Slots: 4, Running: 3, Queued: 2, Delayed: 1, Mean: time.Second}
	got := rejectedFromWire(rejectedToWire(sent))
	require.Equal(t, sent.Error(), got.Error())
	require.Equal(t, sent.RetryAfter, got.RetryAfter)
	require.Equal(t, sent.Load, got.Load)
	require.Nil(t, rejectedFromWire(rejectedToWire(job.E(job.ResourceExhausted, "", errors.New("x"), ""))).Load)
}

func TestConvert_TimeThatIsLeftNeverBecomesNone(t *testing.T) {
	now := time.Now()
	for _, left := range []time.Duration{time.Nanosecond, 0, -time.Hour} {
		require.EqualValues(t, 1, taskToWire(t.Context(), job.Task{Deadline: now.Add(left)}, now).DeadlineMs)
	}
	require.EqualValues(t, 0, taskToWire(t.Context(), job.Task{}, now).DeadlineMs)
}

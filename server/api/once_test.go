package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

// counted is an API with a call POST /count, which answers how often it was made, or with
// what each of its calls is told to, and POST /tokens.
func counted(t *testing.T, answer func(n int) error) (*API, *int) {
	t.Helper()
	cfg := config()
	cfg.Accounts = issuers{}
	a, n := New(cfg), 0
	a.stream(huma.Operation{OperationID: "count", Method: http.MethodPost, Path: "/count", Responses: a.answers(answer200(a))}, by(job.Operator),
		func(w http.ResponseWriter, _ *http.Request) error {
			n++
			if err := answer(n); err != nil {
				return err
			}
			w.Header().Set("Location", "/count/1")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			return write(w, map[string]int{"n": n})
		})
	return a, &n
}

func answer200(a *API) described { return answer[map[string]int](a, http.StatusCreated, "How often") }

// issuers make tokens.
type issuers struct{ holders }

func (issuers) Issue(_ context.Context, user string, scope job.Scope, _ time.Duration) (string, job.Token, error) {
	return "spw_secret", job.Token{User: user, Scope: scope}, nil
}

func fine(int) error { return nil }

func TestOnce_TheSameCallGetsTheSameAnswer(t *testing.T) {
	a, n := counted(t, fine)
	first := askKeyed(t, a, "operator", "k", "/count", `{"x":1}`)
	again := askKeyed(t, a, "operator", "k", "/count", `{"x":1}`)
	require.Equal(t, http.StatusCreated, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "/count/1", again.Header().Get("Location"))
	require.Equal(t, "application/json", again.Header().Get("Content-Type"))
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Empty(t, first.Header().Get("Idempotency-Replayed"))
	require.NotEqual(t, first.Header().Get("X-Request-Id"), again.Header().Get("X-Request-Id"))
	require.Equal(t, 1, *n)

	askKeyed(t, a, "operator", "k2", "/count", `{"x":1}`)
	require.Equal(t, 2, *n, "another key")
	askKeyed(t, a, "admin", "k", "/count", `{"x":1}`)
	require.Equal(t, 3, *n, "another user")
	require.Equal(t, http.StatusForbidden, askKeyed(t, a, "viewer", "k", "/count", `{"x":1}`).Code)
	require.Equal(t, 3, *n)
}

func TestOnce_AKeyIsForOneCallAlone(t *testing.T) {
	a, n := counted(t, fine)
	askKeyed(t, a, "operator", "k", "/count", `{"x":1}`)
	for path, body := range map[string]string{"/count": `{"x":2}`, "/count?y=1": `{"x":1}`} {
		p := problem(t, askKeyed(t, a, "operator", "k", path, body))
		require.Equal(t, http.StatusConflict, p.Status)
		require.Contains(t, p.Hint, "new key")
	}
	require.Equal(t, 1, *n)
	for _, key := range []string{strings.Repeat("k", 256), "k\x7f", "schlüssel"} {
		require.Equal(t, http.StatusBadRequest, askKeyed(t, a, "operator", key, "/count", "").Code)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, askKeyed(t, a, "operator", "long", "/count", strings.Repeat(" ", onceRequest+1)).Code)
	require.Equal(t, 1, *n)
}

func TestOnce_WhileTheFirstRunsTheSecondIsToldToWait(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	a, n := counted(t, func(int) error {
		close(began)
		<-goOn
		return nil
	})
	answer := make(chan *httptest.ResponseRecorder)
	go func() { answer <- askKeyed(t, a, "operator", "k", "/count", "") }()
	<-began
	w := askKeyed(t, a, "operator", "k", "/count", "")
	require.Equal(t, http.StatusConflict, problem(t, w).Status)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	close(goOn)
	require.Equal(t, http.StatusCreated, (<-answer).Code)
	require.Equal(t, http.StatusCreated, askKeyed(t, a, "operator", "k", "/count", "").Code)
	require.Equal(t, 1, *n)
}

func TestOnce_WhatCameToNothingMayBeMadeAgain(t *testing.T) {
	rows := map[string]struct {
		err  error
		made int
	}{
		"the server failed":   {fmt.Errorf("disk"), 2},
		"it was busy":         {job.E(job.ResourceExhausted, "", fmt.Errorf("busy"), ""), 2},
		"it was refused":      {job.E(job.NotFound, "", fmt.Errorf("none"), ""), 1},
		"the caller had left": {context.Canceled, 2},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			a, n := counted(t, func(int) error { return row.err })
			first := askKeyed(t, a, "operator", "k", "/count", "")
			require.Equal(t, first.Code, problem(t, askKeyed(t, a, "operator", "k", "/count", "")).Status)
			require.Equal(t, row.made, *n)
		})
	}
	a, n := counted(t, func(n int) error {
		if n == 1 {
			panic("a fault of ours")
		}
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, askKeyed(t, a, "operator", "k", "/count", "").Code)
	require.Equal(t, http.StatusCreated, askKeyed(t, a, "operator", "k", "/count", "").Code)
	require.Equal(t, 2, *n)
}

func TestOnce_ATokenIsNotKeptToBeShownAgain(t *testing.T) {
	a, _ := counted(t, fine)
	w := askKeyed(t, a, "admin", "k", "/tokens", `{"scope":"metrics"}`)
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), "spw_secret")
	w = askKeyed(t, a, "admin", "k", "/tokens", `{"scope":"metrics"}`)
	require.Equal(t, http.StatusConflict, problem(t, w).Status)
	require.NotContains(t, w.Body.String(), "spw_secret")
	for _, e := range a.once.calls {
		require.NotContains(t, string(e.Value.(*onceCall).answer.body), "spw_secret")
	}
}

func TestOnce_KeysAreForgottenAfterADay(t *testing.T) {
	o, at := newOnce(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	k, mark := onceKey{"ada", "k"}, sha256.Sum256(nil)
	reply, err := o.begin(k, mark, at)
	require.NoError(t, err)
	require.Nil(t, reply)
	o.end(k, &onceReply{status: 200, body: []byte("one")})
	reply, err = o.begin(k, mark, at.Add(onceLife))
	require.NoError(t, err)
	require.Equal(t, "one", string(reply.body))
	reply, err = o.begin(k, mark, at.Add(onceLife+1))
	require.NoError(t, err)
	require.Nil(t, reply, "it is made again")
	require.Zero(t, o.bytes)
}

func TestOnce_KeepsNoMoreThanItsBounds(t *testing.T) {
	o, at := newOnce(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	runs := onceKey{"ada", "runs"}
	_, err := o.begin(runs, [32]byte{}, at)
	require.NoError(t, err)
	for n := range onceCalls + 100 {
		k := onceKey{"ada", fmt.Sprint(n)}
		_, err := o.begin(k, [32]byte{}, at)
		require.NoError(t, err)
		o.end(k, &onceReply{body: make([]byte, 2000)})
		require.LessOrEqual(t, o.bytes, onceTotal)
		require.LessOrEqual(t, len(o.calls), onceCalls)
		require.Equal(t, len(o.calls), o.order.Len())
	}
	require.Contains(t, o.calls, runs, "what runs is not forgotten")
	require.Contains(t, o.calls, onceKey{"ada", fmt.Sprint(onceCalls + 99)})
	require.NotContains(t, o.calls, onceKey{"ada", "0"})
}

// removers have users that can be removed.
type removers struct{ holders }

func (removers) Remove(context.Context, string) error { return nil }

func TestOnce_WhoGetsTheNameOfAUserWhoIsNoMoreGetsNoAnswersOfTheirs(t *testing.T) {
	a, n := counted(t, fine)
	a.cfg.Accounts = removers{}
	require.Equal(t, http.StatusCreated, askKeyed(t, a, "operator", "k", "/count", "").Code)
	require.Equal(t, http.StatusCreated, askKeyed(t, a, "admin", "k", "/count", "").Code)
	require.Equal(t, http.StatusNoContent, ask(t, a, "admin", http.MethodDelete, "/users/user-operator", "").Code)
	require.JSONEq(t, `{"n":3}`, askKeyed(t, a, "operator", "k", "/count", "").Body.String())
	require.JSONEq(t, `{"n":2}`, askKeyed(t, a, "admin", "k", "/count", "").Body.String(), "others keep theirs")
	require.Equal(t, 3, *n)
}

func TestOnce_ALongAnswerIsNotKept(t *testing.T) {
	kept := &keeping{ResponseWriter: httptest.NewRecorder()}
	for range 3 {
		_, err := kept.Write(make([]byte, onceAnswer/2))
		require.NoError(t, err)
	}
	require.Nil(t, kept.reply("POST /count"))
	require.LessOrEqual(t, len(kept.body), onceAnswer+1)
}

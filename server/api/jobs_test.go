package api

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/view"
)

// page is a page of any list of jobs or tasks.
type page struct {
	Jobs  []view.Job  `json:"jobs"`
	Tasks []view.Task `json:"tasks"`
	Next  string      `json:"next_cursor"`
}

func TestJobs_ASubmittedJobIsToldToItsEnd(t *testing.T) {
	cfg, root := works(t)
	a := New(cfg)
	inputs(t, root, "data", "a.png", "b.png", "bad.png")
	w := ask(t, a, "operator", "POST", "/jobs", `{"source":"data","operation":{"name":"blur","params":{"kernel":7}},"priority":3,"deadline":"10m","keep":3600}`)
	j := answered[view.Job](t, http.StatusCreated, w)
	require.Equal(t, "/jobs/"+string(j.ID), w.Header().Get("Location"))
	require.Equal(t, "blur:kernel=7", j.Operation)
	require.Equal(t, 3, j.Priority)
	require.Equal(t, job.Failed, ended(t, cfg.Service, j.ID).State)
	spec := ended(t, cfg.Service, j.ID).Spec
	require.Equal(t, "10m0s", spec.Deadline.String())
	require.Equal(t, "1h0m0s", spec.Keep.String())

	whole := answered[view.JobWithTasks](t, http.StatusOK, ask(t, a, "viewer", "GET", w.Header().Get("Location"), ""))
	require.Equal(t, int64(2), whole.Done)
	require.Len(t, whole.Tasks, 1, "those worth a look")
	require.Equal(t, job.DataLoss, whole.Tasks[0].Attempts[0].Error.Code)
	require.Equal(t, "copy it again", whole.Failures[0].Error.Hint)

	all := answered[page](t, http.StatusOK, ask(t, a, "viewer", "GET", "/jobs/"+string(j.ID)+"/tasks?state=done,failed", ""))
	require.Len(t, all.Tasks, 3)
	steps := answered[struct{ Steps []view.Step }](t, http.StatusOK, ask(t, a, "viewer", "GET", "/jobs/"+string(j.ID)+"/steps", ""))
	require.Len(t, steps.Steps, 3)
	rest := answered[struct{ Steps []view.Step }](t, http.StatusOK,
		ask(t, a, "viewer", "GET", "/jobs/"+string(j.ID)+"/steps?after="+strconv.FormatInt(steps.Steps[0].Number, 10), ""))
	require.Equal(t, steps.Steps[1:], rest.Steps)
}

func TestJobs_CancelAndRetryAnswerWithTheJob(t *testing.T) {
	cfg, root := works(t)
	a := New(cfg)
	inputs(t, root, "data", "slow.png")
	j := answered[view.Job](t, http.StatusCreated, ask(t, a, "operator", "POST", "/jobs", `{"source":"data"}`))
	path := "/jobs/" + string(j.ID)
	p := problem(t, ask(t, a, "operator", "POST", path+"/retry", ""))
	require.Equal(t, http.StatusPreconditionFailed, p.Status, "it has not ended")
	require.Equal(t, j.ID, answered[view.Job](t, http.StatusAccepted, ask(t, a, "operator", "POST", path+"/cancel", "")).ID)
	require.Equal(t, job.Cancelled, ended(t, cfg.Service, j.ID).State)
	answered[view.Job](t, http.StatusAccepted, ask(t, a, "operator", "POST", path+"/cancel", ""))
	again := answered[view.Job](t, http.StatusAccepted, ask(t, a, "operator", "POST", path+"/retry", ""))
	require.False(t, again.State.Final())
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", "POST", path+"/cancel", "").Code)
	answered[view.Job](t, http.StatusAccepted, ask(t, a, "operator", "POST", path+"/cancel", "")) // so that the test's end waits for nothing
	ended(t, cfg.Service, j.ID)
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", "POST", "/jobs", `{"source":"data"}`).Code)
}

func TestJobs_AreListedPageByPage(t *testing.T) {
	cfg, root := works(t)
	a := New(cfg)
	inputs(t, root, "data", "a.png", "b.png", "c.png", "d.png", "e.png")
	var made []job.ID
	for range 5 {
		j := answered[view.Job](t, http.StatusCreated, ask(t, a, "operator", "POST", "/jobs", `{"source":"data"}`))
		ended(t, cfg.Service, j.ID)
		made = append(made, j.ID)
	}
	follow := func(path string) (ids []job.ID, indices []int64, pages int) {
		for cursor := ""; ; pages++ {
			p := answered[page](t, http.StatusOK, ask(t, a, "viewer", "GET", path+cursor, ""))
			require.LessOrEqual(t, len(p.Jobs)+len(p.Tasks), 2)
			for _, j := range p.Jobs {
				ids = append(ids, j.ID)
			}
			for _, task := range p.Tasks {
				indices = append(indices, task.Index)
			}
			if p.Next == "" {
				return ids, indices, pages + 1
			}
			cursor = "&cursor=" + p.Next
		}
	}
	ids, _, pages := follow("/jobs?order=oldest&limit=2")
	require.Equal(t, made, ids)
	require.Equal(t, 3, pages)
	ids, _, _ = follow("/jobs?limit=2&state=succeeded")
	require.Equal(t, []job.ID{made[4], made[3], made[2], made[1], made[0]}, ids)
	ids, _, _ = follow("/jobs?limit=2&state=failed,cancelled")
	require.Empty(t, ids)
	_, indices, pages := follow("/jobs/" + string(made[0]) + "/tasks?limit=2")
	require.Equal(t, []int64{0, 1, 2, 3, 4}, indices)
	require.Equal(t, 3, pages)

	oldest := answered[page](t, http.StatusOK, ask(t, a, "viewer", "GET", "/jobs?order=oldest&limit=1", "")).Next
	for _, cursor := range []string{oldest, "x", "%00", "am9icy1uZXdlc3Qg", strings.Repeat("a", 600), encoded("jobs-newest there-is-none"), encoded("jobs-newest \x00")} {
		w := ask(t, a, "viewer", "GET", "/jobs?cursor="+cursor, "")
		require.GreaterOrEqual(t, w.Code, 400, cursor)
		require.Less(t, w.Code, 500, cursor)
		problem(t, w)
	}
	require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", "GET", "/jobs/"+string(made[0])+"/tasks?cursor="+encoded("tasks x"), "").Code)
}

func TestJobs_WhatCannotBeIsRefusedWithTheMend(t *testing.T) {
	cfg, root := works(t)
	a := New(cfg)
	inputs(t, root, "data", "a.png")
	rows := []struct {
		name, body string
		status     int
	}{
		{"no body", "", 400},
		{"no source", `{}`, 422},
		{"no JSON", `{"source":`, 400},
		{"an unknown field", `{"source":"data","colour":"red"}`, 422},
		{"no such folder", `{"source":"nowhere"}`, 404},
		{"outside the root", `{"source":"/etc"}`, 403},
		{"a way out", `{"source":"../../etc"}`, 403},
		{"a NUL", `{"source":"data\u0000"}`, 400},
		{"no such operation", `{"source":"data","operation":"melt"}`, 400},
		{"an operation that is a number", `{"source":"data","operation":7}`, 422},
		{"an object without a name", `{"source":"data","operation":{"params":{}}}`, 422},
		{"a name with a parameter in it", `{"source":"data","operation":{"name":"blur:kernel=7"}}`, 400},
		{"a value with another in it", `{"source":"data","operation":{"name":"blur","params":{"kernel":"7,sigma=1"}}}`, 400},
		{"a value that is a list", `{"source":"data","operation":{"name":"blur","params":{"kernel":[7]}}}`, 422},
		{"a value out of range", `{"source":"data","operation":"blur:kernel=8"}`, 400},
		{"no such policy", `{"source":"data","policy":"best"}`, 400},
		{"a deadline in the past", `{"source":"data","deadline":-1}`, 400},
		{"a deadline that is no time", `{"source":"data","deadline":"soon"}`, 400},
		{"a deadline beyond all time", `{"source":"data","deadline":1e300}`, 400},
		{"too high a priority", `{"source":"data","priority":101}`, 422},
		{"a tag that is none", `{"source":"data","tags":["a b"]}`, 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p := problem(t, ask(t, a, "operator", "POST", "/jobs", row.body))
			require.Equal(t, row.status, p.Status, p.What)
			require.NotContains(t, p.What, "<nil>")
			require.NotEmpty(t, p.Hint)
		})
	}
	require.Empty(t, answered[page](t, http.StatusOK, ask(t, a, "viewer", "GET", "/jobs", "")).Jobs)
	for _, path := range []string{"/jobs/none", "/jobs/..%2f..%2fetc", "/jobs/%00", "/jobs/a%20b/tasks", "/jobs/none/steps", "/jobs/" + strings.Repeat("a", 300)} {
		require.Equal(t, http.StatusNotFound, problem(t, ask(t, a, "viewer", "GET", path, "")).Status, path)
	}
	for _, path := range []string{"/jobs/none/cancel", "/jobs/none/retry", "/jobs/%0d%0ax/cancel"} {
		require.Equal(t, http.StatusNotFound, problem(t, ask(t, a, "operator", "POST", path, "")).Status, path)
	}
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, a, "viewer", "GET", "/jobs?state=perhaps", "").Code)
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, a, "viewer", "GET", "/jobs?limit=1001", "").Code)
}

func TestJobs_AKeyMakesOneJobOfMany(t *testing.T) {
	cfg, root := works(t)
	a := New(cfg)
	inputs(t, root, "data", "a.png")
	submit := func(token, key, body string) *httptest.ResponseRecorder {
		return askKeyed(t, a, token, key, "/jobs", body)
	}
	first := answered[view.Job](t, http.StatusCreated, submit("operator", "k", `{"source":"data"}`))
	require.Len(t, string(first.ID), 64)
	again := submit("operator", "k", `{ "source": "data" }`)
	require.Equal(t, first.ID, answered[view.Job](t, http.StatusCreated, again).ID)
	require.Equal(t, "/jobs/"+string(first.ID), again.Header().Get("Location"))
	other := New(cfg) // after a restart, or on another server
	require.Equal(t, first.ID, answered[view.Job](t, http.StatusCreated, askKeyed(t, other, "operator", "k", "/jobs", `{"source":"data"}`)).ID)

	p := problem(t, submit("operator", "k", `{"source":"data","priority":1}`))
	require.Equal(t, http.StatusConflict, p.Status)
	require.Contains(t, p.Hint, "new key")
	require.NotEqual(t, first.ID, answered[view.Job](t, http.StatusCreated, submit("admin", "k", `{"source":"data"}`)).ID, "another user's key")
	require.NotEqual(t, first.ID, answered[view.Job](t, http.StatusCreated, submit("operator", "k2", `{"source":"data"}`)).ID)
	require.Len(t, answered[page](t, http.StatusOK, ask(t, a, "viewer", "GET", "/jobs", "")).Jobs, 3)
	require.Equal(t, http.StatusBadRequest, submit("operator", "k\x01", `{"source":"data"}`).Code)
	require.Equal(t, http.StatusUnprocessableEntity, submit("operator", strings.Repeat("k", 256), `{"source":"data"}`).Code)
}

func TestJobs_JSONIsTakenAlsoAsCurlSendsIt(t *testing.T) {
	cfg, root := works(t)
	inputs(t, root, "data", "a.png")
	w := send(t, New(cfg), "/jobs", "application/x-www-form-urlencoded", strings.NewReader(`{"source":"data"}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	w = send(t, New(cfg), "/jobs", "application/x-www-form-urlencoded", strings.NewReader("source=data"))
	require.Equal(t, http.StatusBadRequest, w.Code)
	w = send(t, New(cfg), "/jobs", "text/plain", strings.NewReader(`{"source":"data"}`))
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
}

func TestJobs_AServerThatStartsSaysWhenToComeAgain(t *testing.T) {
	cfg, _ := works(t)
	cfg.Ready = func() bool { return false }
	w := ask(t, New(cfg), "operator", "POST", "/jobs", `{"source":"data"}`)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}

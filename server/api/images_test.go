package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestImages_ComeBackAsTheyWereSent(t *testing.T) {
	a, _ := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	w := upload(t, a, "operator", part{"any", "../../a.jpg", jpeg}, part{"workload_id", "", "1"}, part{"type", "", "original"})
	require.JSONEq(t, `{"workload_id":1,"image_id":0,"type":"original"}`, w.Body.String())
	for _, row := range []struct{ query, form string }{{"?workload_id=1&type=original", ""}, {"", "workload_id=1&type=original"}, {"", `{"workload_id":1}`}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/images/0"+row.query, strings.NewReader(row.form))
		r.Header.Set("Authorization", "Bearer viewer")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, jpeg, w.Body.String())
		require.NotEmpty(t, w.Header().Get("ETag"))
	}
	require.True(t, strings.HasPrefix(ask(t, a, "viewer", http.MethodGet, "/workloads/1/zip", "").Body.String(), "PK"))
	head := ask(t, a, "viewer", http.MethodHead, "/workloads/1/zip", "")
	require.Equal(t, []any{http.StatusOK, "application/zip", 0}, []any{head.Code, head.Header().Get("Content-Type"), head.Body.Len()}, "HEAD reads nothing")
	require.JSONEq(t, `{"workload_id":1}`, ask(t, a, "operator", http.MethodDelete, "/workloads/1", "").Body.String())
	require.Equal(t, http.StatusNotFound, ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id=1", "").Code)
}

func TestImages_AreTakenUnderAnyNameWithOrWithoutAFilesName(t *testing.T) {
	a, _ := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	to := part{"workload_id", "", "1\n"}
	for n, parts := range [][]part{
		{{"image_id", "a.jpg", jpeg}, to},
		{to, {"", "", jpeg}},
		{{"note", "", "a word"}, to, {"x", "", jpeg}, {"empty", "", ""}},
	} {
		w := upload(t, a, "operator", parts...)
		require.JSONEq(t, fmt.Sprintf(`{"workload_id":1,"image_id":%d,"type":"original"}`, n), w.Body.String())
	}
	w := ask(t, a, "operator", http.MethodPost, "/images?workload_id=1", jpeg) // curl --data-binary
	require.JSONEq(t, `{"workload_id":1,"image_id":3,"type":"original"}`, w.Body.String())
}

func TestImages_WhatIsNotTakenIsTold(t *testing.T) {
	a, _ := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	file, to := part{"f", "a.jpg", jpeg}, part{"workload_id", "", "1"}
	for name, row := range map[string]struct {
		want  int
		parts []part
	}{
		"no picture":       {400, []part{to, {"f", "a.jpg", "<html>"}}},
		"an empty file":    {400, []part{to, {"f", "a.jpg", ""}}},
		"no file":          {400, []part{to}},
		"two files":        {400, []part{to, file, file}},
		"no workload":      {400, []part{file}},
		"unknown workload": {404, []part{file, {"workload_id", "", "9"}}},
		"known before":     {404, []part{{"workload_id", "", "9"}, file}},
		"hostile workload": {400, []part{file, {"workload_id", "", "../1"}}},
		"unknown type":     {400, []part{file, to, {"type", "", "x"}}},
		"unknown image":    {404, []part{file, to, {"type", "", "filtered"}, {"image_id", "", "0"}}},
		"hostile image":    {400, []part{file, to, {"type", "", "filtered"}, {"image_id", "", "-1"}}},
		"nothing lacks it": {412, []part{file, to, {"type", "", "filtered"}}},
		"too many parts":   {400, slices.Repeat([]part{{"x", "", ""}}, maxParts+1)},
	} {
		w := upload(t, a, "operator", row.parts...)
		require.Equal(t, row.want, w.Code, "%s: %s", name, w.Body)
		problem(t, w)
	}
	require.Equal(t, http.StatusForbidden, upload(t, a, "viewer", to, file).Code)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/images?workload_id=1", unread{})
	r.Header.Set("Authorization", "Bearer operator")
	r.ContentLength = imageBytes + 1
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code, "told before a byte is read")
	page := ask(t, a, "viewer", http.MethodGet, "/workloads/1/images", "")
	require.JSONEq(t, `{"images":[]}`, page.Body.String(), "nothing was kept")
}

// unread is a body that nobody may read.
type unread struct{}

func (unread) Read([]byte) (int, error) { panic("it is read") }

func TestImages_AFilteredOneIsTheTwinOfWhatIsNamed(t *testing.T) {
	a, _ := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	to, twin := part{"workload_id", "", "1"}, part{"type", "", "filtered"}
	for range 4 {
		upload(t, a, "operator", to, part{"f", "a.jpg", jpeg})
	}
	for _, row := range []struct {
		parts []part
		want  int
	}{
		{[]part{{"f", "1.jpg", png}, {"image_id", "", "3"}}, 3},
		{[]part{{"f", "002_gray.png", png}}, 2},
		{[]part{{"f", "2026.png", png}}, 0},
		{[]part{{"f", "x.png", png}}, 1},
		{[]part{{"f", "1.jpg", jpeg}}, 1},
	} {
		w := upload(t, a, "operator", append(row.parts, to, twin)...)
		require.JSONEq(t, fmt.Sprintf(`{"workload_id":1,"image_id":%d,"type":"filtered"}`, row.want), w.Body.String())
	}
	require.Equal(t, png, ask(t, a, "viewer", http.MethodGet, "/images/3?workload_id=1&type=filtered", "").Body.String())
	require.Equal(t, jpeg, ask(t, a, "viewer", http.MethodGet, "/images/1?workload_id=1&type=filtered", "").Body.String())
	got := ask(t, a, "viewer", http.MethodGet, "/workloads/1", "").Body.String()
	require.Contains(t, got, `"status":"completed","running_jobs":0,"filtered_images":[0,1,2,3]`)
	require.Contains(t, ask(t, a, "viewer", http.MethodGet, "/status", "").Body.String(), `"active_workloads":[]`)
}

func TestImages_ANodeFetchesAndDeliversWhatItWorksOnAlone(t *testing.T) {
	a, kept := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	to, twin := part{"workload_id", "", "1"}, part{"type", "", "filtered"}
	for range 3 {
		upload(t, a, "operator", to, part{"f", "a.jpg", jpeg})
	}
	for n, row := range []job.Image{{State: job.ImageWorking, Job: "theirs"}, {State: job.ImageWorking, Job: "others"}, {State: job.ImageWaiting}} {
		row.Workload, row.ID = 1, int64(n)
		require.NoError(t, kept.SetImages(t.Context(), row))
	}
	get := func(query string) int { return ask(t, a, "node", http.MethodGet, "/images/"+query, "").Code }
	post := func(parts ...part) int { return upload(t, a, "node", append(parts, to)...).Code }
	file := part{"f", "", png}
	require.Equal(t, http.StatusOK, get("0?workload_id=1"))
	for _, query := range []string{"1?workload_id=1", "2?workload_id=1", "3?workload_id=1", "0?workload_id=2", "0?workload_id=1&type=filtered"} {
		require.Equal(t, http.StatusForbidden, get(query), query)
	}
	require.Equal(t, http.StatusForbidden, post(file), "an original")
	for _, id := range []string{"1", "2", "3"} {
		require.Equal(t, http.StatusForbidden, post(file, twin, part{"image_id", "", id}), id)
	}
	require.Equal(t, http.StatusOK, post(file, twin, part{"image_id", "", "0"}))
	require.Equal(t, http.StatusForbidden, post(file, twin, part{"image_id", "", "0"}), "it is done")
	require.Equal(t, http.StatusForbidden, get("0?workload_id=1"), "it is done")
}

func TestImages_EachTellsWhereItStands(t *testing.T) {
	a, kept := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	for range 3 {
		upload(t, a, "operator", part{"workload_id", "", "1"}, part{"f", "a.jpg", jpeg})
	}
	require.NoError(t, kept.SetImages(t.Context(), job.Image{Workload: 1, ID: 1, State: job.ImageFailed, Err: job.E(job.DataLoss, "read", errors.New("it is damaged"), "send it whole")}))
	require.JSONEq(t, `{"images":[{"image_id":0,"state":"waiting"},{"image_id":1,"state":"failed","reason":"read: it is damaged","code":"data_loss","hint":"send it whole"},{"image_id":2,"state":"waiting"}]}`,
		ask(t, a, "viewer", http.MethodGet, "/workloads/1/images", "").Body.String())
	var page struct {
		Images []struct {
			ID int64 `json:"image_id"`
		}
		Next string `json:"next_cursor"`
	}
	require.NoError(t, json.Unmarshal(ask(t, a, "viewer", http.MethodGet, "/workloads/1/images?limit=2", "").Body.Bytes(), &page))
	require.Len(t, page.Images, 2)
	require.JSONEq(t, `{"images":[{"image_id":2,"state":"waiting"}]}`, ask(t, a, "viewer", http.MethodGet, "/workloads/1/images?cursor="+page.Next, "").Body.String())
	require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", http.MethodGet, "/workloads?cursor="+page.Next, "").Code, "the cursor of another list")
	require.Equal(t, http.StatusNotFound, ask(t, a, "viewer", http.MethodGet, "/workloads/9/images", "").Code)

	w := ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id=1&type=filtered", "")
	require.Equal(t, http.StatusConflict, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	w = ask(t, a, "viewer", http.MethodGet, "/images/1?workload_id=1&type=filtered", "")
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, string(job.DataLoss), problem(t, w).Code)
}

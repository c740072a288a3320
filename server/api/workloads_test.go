package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
	workloads "spillway/server/workload"
)

// bare knows no nodes.
type bare struct{ idle }

type idle = Nodes

func (bare) Nodes(context.Context) ([]job.Node, error) { return nil, nil }

// withWorkloads is an API whose workloads nobody works on.
func withWorkloads(t *testing.T) (*API, *store.Memory) {
	kept := store.NewMemory()
	w, err := workloads.New(workloads.Config{Dir: t.TempDir(), NodesWith: holding{}.NodesWith}, holding{}, kept, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	c := config()
	c.Workloads, c.Nodes = w, bare{}
	return New(c), kept
}

// holding has the tasks of the job "theirs" on node_0, and of others on node_9.
type holding struct{ job.Service }

func (holding) NodesWith(id job.ID, _ string) []job.NodeID {
	if id == "theirs" {
		return []job.NodeID{"node_0"}
	}
	return []job.NodeID{"node_9"}
}

func (holding) Cancel(context.Context, job.ID) error { return nil }

// part is one part of a form; with a file's name, if it is not "".
type part struct{ name, file, body string }

// upload sends a form.
func upload(t *testing.T, a *API, token string, parts ...part) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range parts {
		disposition := fmt.Sprintf(`form-data; name=%q`, p.name)
		if p.file != "" {
			disposition += fmt.Sprintf(`; filename=%q`, p.file)
		}
		to, err := m.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		require.NoError(t, err)
		_, err = to.Write([]byte(p.body))
		require.NoError(t, err)
	}
	require.NoError(t, m.Close())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/images", &b)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// The bytes of pictures, as far as anybody looks here.
const (
	jpeg = "\xff\xd8\xff\xe0 a picture of some length"
	png  = "\x89PNG\r\n\x1a\n another picture"
)

func TestWorkloads_AreMadeOfWhateverIsSent(t *testing.T) {
	a, _ := withWorkloads(t)
	rows := []struct{ query, body, filter, name string }{
		{"", "", "grayscale", ""},
		{"", `{"filter":"blur","workload_name":"a"}`, "blur", "a"},
		{"", "filter=blur&workload_name=b", "blur", "b"},
		{"?filter=blur&workload_name=c", "", "blur", "c"},
		{"", `{"filter":null}`, "grayscale", ""},
		{"", `{}`, "grayscale", ""},
	}
	for _, row := range rows {
		w := ask(t, a, "operator", http.MethodPost, "/workloads"+row.query, row.body)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		var got map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
		require.Len(t, got, 6, "exactly the named fields")
		require.Equal(t, row.filter, got["filter"])
		require.Equal(t, "scheduling", got["status"])
		require.NotEmpty(t, got["workload_name"])
		if row.name != "" {
			require.Equal(t, row.name, got["workload_name"])
		}
	}
	require.Contains(t, ask(t, a, "viewer", http.MethodGet, "/status", "").Body.String(), `"active_workloads":[{`)
}

func TestWorkloads_RefuseWhatIsHostile(t *testing.T) {
	a, _ := withWorkloads(t)
	for _, body := range []string{`{"filter":"rm"}`, `{"filter":"video:blur"}`, `{"workload_name":"../x"}`, `{"workload_name":"a/b"}`, `{"workload_name":"a\u0000"}`, `{`, `[1]`, `{"filter":["blur"]}`, `{"filter":{}}`, `{} {}`, `{"filter":true}`} {
		w := ask(t, a, "operator", http.MethodPost, "/workloads", body)
		require.Equal(t, http.StatusBadRequest, w.Code, body)
		problem(t, w)
	}
	for _, id := range []string{"-1", "x", "1'--", "99999999999999999999", "%2e%2e", "+1", "01", "1e0", "0x1", "١"} {
		require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", http.MethodGet, "/workloads/"+id, "").Code, id)
		require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id="+url.QueryEscape(id), "").Code, id)
	}
	require.Equal(t, http.StatusNotFound, ask(t, a, "viewer", http.MethodGet, "/workloads/7", "").Code)
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", http.MethodPost, "/workloads", "").Code)
	for _, path := range []string{"/workloads", "/workloads/1", "/status", "/workloads/1/images", "/workloads/1/zip"} {
		require.Equal(t, http.StatusForbidden, ask(t, a, "node", http.MethodGet, path, "").Code, path)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, ask(t, a, "operator", http.MethodPost, "/workloads", strings.Repeat(" ", smallBody+1)).Code)
}

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
		{[]part{{"f", "2_gray.png", png}}, 2},
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

func TestWorkloads_AreListedByPage(t *testing.T) {
	a, _ := withWorkloads(t)
	require.JSONEq(t, `{"workloads":[]}`, ask(t, a, "viewer", http.MethodGet, "/workloads", "").Body.String())
	for range 3 {
		ask(t, a, "operator", http.MethodPost, "/workloads", "")
	}
	var seen []int64
	for cursor := ""; ; {
		var page struct {
			Workloads []workload
			Next      string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal(ask(t, a, "viewer", http.MethodGet, "/workloads?limit=2"+cursor, "").Body.Bytes(), &page))
		for _, l := range page.Workloads {
			seen = append(seen, l.ID)
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	require.Equal(t, []int64{1, 2, 3}, seen)
}

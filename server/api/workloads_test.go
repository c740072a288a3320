package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
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
func withWorkloads(t *testing.T) *API {
	w, err := workloads.New(workloads.Config{Dir: t.TempDir()}, nil, store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	c := config()
	c.Workloads, c.Nodes = w, bare{}
	return New(c)
}

// upload sends a file, with fields behind it.
func upload(t *testing.T, a *API, bytesOf string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("any", "../../a.jpg")
	require.NoError(t, err)
	_, err = part.Write([]byte(bytesOf))
	require.NoError(t, err)
	for n := 0; n < len(fields); n += 2 {
		require.NoError(t, m.WriteField(fields[n], fields[n+1]))
	}
	require.NoError(t, m.Close())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/images", &b)
	r.Header.Set("Authorization", "Bearer operator")
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestWorkloads_AreMadeOfWhateverIsSent(t *testing.T) {
	a := withWorkloads(t)
	rows := []struct{ query, body, filter, name string }{
		{"", "", "grayscale", ""},
		{"", `{"filter":"blur","workload_name":"a"}`, "blur", "a"},
		{"", "filter=blur&workload_name=b", "blur", "b"},
		{"?filter=blur&workload_name=c", "", "blur", "c"},
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
	a := withWorkloads(t)
	for _, body := range []string{`{"filter":"rm"}`, `{"filter":"video:blur"}`, `{"workload_name":"../x"}`, `{"workload_name":"a/b"}`, `{"workload_name":"a\u0000"}`, `{`} {
		w := ask(t, a, "operator", http.MethodPost, "/workloads", body)
		require.Equal(t, http.StatusBadRequest, w.Code, body)
		problem(t, w)
	}
	for _, id := range []string{"-1", "x", "1'--", "99999999999999999999", "%2e%2e"} {
		require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", http.MethodGet, "/workloads/"+id, "").Code, id)
		require.Equal(t, http.StatusBadRequest, ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id="+url.QueryEscape(id), "").Code, id)
	}
	require.Equal(t, http.StatusNotFound, ask(t, a, "viewer", http.MethodGet, "/workloads/7", "").Code)
	require.Equal(t, http.StatusForbidden, ask(t, a, "viewer", http.MethodPost, "/workloads", "").Code)
	require.Equal(t, http.StatusForbidden, ask(t, a, "node", http.MethodGet, "/images/0?workload_id=1", "").Code)
}

func TestImages_ComeBackAsTheyWereSent(t *testing.T) {
	a := withWorkloads(t)
	ask(t, a, "operator", http.MethodPost, "/workloads", "")
	const picture = "\xff\xd8\xff\xe0 a picture"
	w := upload(t, a, picture, "workload_id", "1", "type", "original")
	require.JSONEq(t, `{"workload_id":1,"image_id":0,"type":"original"}`, w.Body.String())
	for _, row := range []struct{ query, form string }{{"?workload_id=1&type=original", ""}, {"", "workload_id=1&type=original"}} {
		w := ask(t, a, "viewer", http.MethodGet, "/images/0"+row.query, row.form)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, picture, w.Body.String())
		require.NotEmpty(t, w.Header().Get("ETag"))
	}
	require.Equal(t, http.StatusConflict, ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id=1&type=filtered", "").Code)
	require.Equal(t, http.StatusBadRequest, upload(t, a, "<html>", "workload_id", "1").Code)
	require.Equal(t, http.StatusNotFound, upload(t, a, picture, "workload_id", "9").Code)
	require.Equal(t, http.StatusBadRequest, upload(t, a, picture).Code)
	require.True(t, strings.HasPrefix(ask(t, a, "viewer", http.MethodGet, "/workloads/1/zip", "").Body.String(), "PK"))
	require.Equal(t, http.StatusOK, ask(t, a, "operator", http.MethodDelete, "/workloads/1", "").Code)
	require.Equal(t, http.StatusNotFound, ask(t, a, "viewer", http.MethodGet, "/images/0?workload_id=1", "").Code)
}

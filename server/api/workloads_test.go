package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
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

func TestWorkloads_WithoutANodeSayWhatToWaitFor(t *testing.T) {
	a, _ := withWorkloads(t)
	var log bytes.Buffer
	a.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, filter := range []string{"edges", "blur:kernel=7"} {
		w := ask(t, a, "operator", http.MethodPost, "/workloads", "filter="+filter)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, "a node may offer it")
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.Contains(t, w.Body.String(), "start a node")
		require.Contains(t, log.String(), `call="POST /workloads" request=`+w.Header().Get("X-Request-Id"))
	}
	require.Equal(t, http.StatusOK, ask(t, a, "operator", http.MethodPost, "/workloads", "filter=blur").Code)
}

func TestWorkloads_RefuseWhatIsHostile(t *testing.T) {
	a, _ := withWorkloads(t)
	a.cfg.Nodes = offering{}
	for _, body := range []string{`{"filter":"rm"}`, `{"filter":"video:blur"}`, `{"workload_name":"../x"}`, `{"workload_name":"a/b"}`, `{"workload_name":"a\u0000"}`, `{`, `[1]`, `{"filter":["blur"]}`, `{"filter":{}}`, `{} {}`, `{"filter":true}`} {
		w := ask(t, a, "operator", http.MethodPost, "/workloads", body)
		require.Equal(t, http.StatusBadRequest, w.Code, body)
		problem(t, w)
	}
	twice := ask(t, a, "operator", http.MethodPost, "/workloads", `"{\"filter\":\"blur\"}"`) // not a form that says nothing
	require.Equal(t, http.StatusBadRequest, twice.Code)
	require.Contains(t, twice.Body.String(), "it is no JSON object")
	require.Contains(t, ask(t, a, "viewer", http.MethodGet, "/images/0", "").Body.String(), "workload_id: it is missing")
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

// offering is two nodes that offer more than pictures want.
type offering struct{ idle }

func (offering) Nodes(context.Context) ([]job.Node, error) {
	offered := []job.OperationInfo{{Name: "edges"}, {Name: "grayscale"}, {Name: job.Karaoke}, {Name: "metadata"}, {Name: "face_landmarks"}, {Name: "video:edges"}, {Name: "none"}}
	return []job.Node{{ID: "node_0", Operations: offered}, {ID: "node_1", Operations: offered}}, nil
}

func TestWorkloads_RefuseFiltersThatMakeNoPicture(t *testing.T) {
	a, _ := withWorkloads(t)
	a.cfg.Nodes = offering{}
	require.Equal(t, http.StatusOK, ask(t, a, "operator", http.MethodPost, "/workloads", "filter=edges").Code)
	w := ask(t, a, "operator", http.MethodPost, "/workloads", "filter=video:edges")
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `"hint":"use edges"`)
	for _, filter := range []string{job.Karaoke, "metadata", "face_landmarks", "none"} {
		w := ask(t, a, "operator", http.MethodPost, "/workloads", "filter="+filter)
		require.Equal(t, http.StatusBadRequest, w.Code, filter)
		require.Contains(t, w.Body.String(), "edges, grayscale, blur\"", "each once, of all nodes")
	}
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

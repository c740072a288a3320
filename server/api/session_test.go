package api

import (
	"bytes"
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
	"spillway/server/account"
	"spillway/server/store"
)

// accountsAPI has real accounts, kept in memory: root is an admin, ada a viewer, both with the
// password "correct horse".
func accountsAPI(t *testing.T) (*API, *bytes.Buffer) {
	accounts := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}}, store.NewMemory())
	require.NoError(t, accounts.Add(t.Context(), "root", "correct horse", job.Admin))
	require.NoError(t, accounts.Add(t.Context(), "ada", "correct horse", job.Viewer))
	var audit bytes.Buffer
	cfg := config()
	cfg.Accounts, cfg.Audit = accounts, slog.New(slog.NewJSONHandler(&audit, nil))
	return New(cfg), &audit
}

// logIn logs in and returns the token.
func logIn(t *testing.T, a *API, user string) string {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", nil)
	r.SetBasicAuth(user, "correct horse")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, 200, w.Code, w.Body.String())
	var s map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	require.Len(t, s, 2)
	require.Equal(t, user, s["user"])
	require.NotEmpty(t, s["token"])
	return s["token"]
}

func TestSession_LogsInInEachWay(t *testing.T) {
	a, _ := accountsAPI(t)
	var parts bytes.Buffer
	form := multipart.NewWriter(&parts)
	require.NoError(t, form.WriteField("username", "ada"))
	require.NoError(t, form.WriteField("password", "correct horse"))
	require.NoError(t, form.Close())
	rows := []struct{ name, kind, body string }{
		{"JSON", "application/json", `{"username":"ada","password":"correct horse"}`},
		{"JSON without a type", "", `{"username":"ada","password":"correct horse"}`},
		{"JSON as curl -d sends it", "application/x-www-form-urlencoded", `{"username":"ada","password":"correct horse"}`},
		{"a form", "application/x-www-form-urlencoded", url.Values{"username": {"ada"}, "password": {"correct horse"}}.Encode()},
		{"a form in parts", form.FormDataContentType(), parts.String()},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader(row.body))
			r.Header.Set("Content-Type", row.kind)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			require.Equal(t, 200, w.Code, w.Body.String())
			require.Contains(t, w.Body.String(), `"token":"spw_`)
		})
	}
	logIn(t, a, "ada")
}

func TestSession_RefusesWhatIsNoLogin(t *testing.T) {
	a, _ := accountsAPI(t)
	rows := []struct {
		name, authorization, kind, body string
		want                            int
	}{
		{"nothing", "", "", "", 401},
		{"half a header", "Basic", "", "", 401},
		{"no base64", "Basic !!!", "", "", 401},
		{"a token", "Bearer spw_x", "", "", 401},
		{"a wrong password", "", "application/json", `{"username":"ada","password":"x"}`, 401},
		{"no password", "", "application/json", `{"username":"ada"}`, 401},
		{"half a body", "", "application/json", `{"username":`, 400},
		{"numbers", "", "application/json", `{"username":1,"password":2}`, 400},
		{"a body without end", "", "application/json", `{"username":"` + strings.Repeat("x", smallBody) + `"}`, 413},
		{"a broken form", "", "application/x-www-form-urlencoded", "username=%zz", 400},
		{"a form without parts", "", "multipart/form-data", "x", 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader(row.body))
			if row.authorization != "" {
				r.Header.Set("Authorization", row.authorization)
			}
			r.Header.Set("Content-Type", row.kind)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			require.Equal(t, row.want, w.Code, w.Body.String())
			require.NotEmpty(t, problem(t, w).Hint)
		})
	}
}

func TestSession_ALogoutEndsTheToken(t *testing.T) {
	a, _ := accountsAPI(t)
	token := logIn(t, a, "root")
	require.Equal(t, 200, ask(t, a, token, http.MethodGet, "/users", "").Code)
	w := ask(t, a, token, http.MethodDelete, "/logout", "")
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"logout_message": "root is logged out"}`, w.Body.String())
	require.Equal(t, 401, ask(t, a, token, http.MethodGet, "/users", "").Code)
	require.Equal(t, 401, ask(t, a, token, http.MethodDelete, "/logout", "").Code)
}

func TestSession_TooManyTriesAreToldWhenToComeBack(t *testing.T) {
	a, _ := accountsAPI(t)
	var w *httptest.ResponseRecorder
	for range 6 {
		w = ask(t, a, "", http.MethodPost, "/login", `{"username":"ada","password":"guess"}`)
	}
	require.Equal(t, 429, w.Code)
	require.Equal(t, "10", w.Header().Get("Retry-After"))
	problem(t, w)
}

func TestUsers_AdminsLookAfterThem(t *testing.T) {
	a, _ := accountsAPI(t)
	root := logIn(t, a, "root")
	rows := []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/users", `{"name":"eve","password":"correct horse"}`, 201},
		{"POST", "/users", `{"name":"eve","password":"correct horse"}`, 409},
		{"POST", "/users", `{"name":"a/b","password":"correct horse"}`, 400},
		{"POST", "/users", `{"name":"bob","password":"short"}`, 400},
		{"POST", "/users", `{"name":"bob","password":"correct horse","role":"root"}`, 422},
		{"PATCH", "/users/eve", `{"role":"operator"}`, 204},
		{"PATCH", "/users/nobody", `{"role":"operator"}`, 404},
		{"PATCH", "/users/root", `{"role":"viewer"}`, 412},
		{"DELETE", "/users/root", "", 412},
		{"DELETE", "/users/ada", "", 204},
		{"DELETE", "/users/ada", "", 404},
	}
	for _, row := range rows {
		w := ask(t, a, root, row.method, row.path, row.body)
		require.Equal(t, row.want, w.Code, "%v %s", row, w.Body.String())
	}
	list := ask(t, a, root, http.MethodGet, "/users", "")
	require.NotContains(t, list.Body.String(), "argon2id")
	var out usersOut
	require.NoError(t, json.Unmarshal(list.Body.Bytes(), &out.Body))
	require.Len(t, out.Body.Users, 2)
	require.Equal(t, job.Operator, out.Body.Users[0].Role)
}

func TestUsers_TokensWithAScopeDoNoMore(t *testing.T) {
	a, _ := accountsAPI(t)
	root := logIn(t, a, "root")
	w := ask(t, a, root, http.MethodPost, "/tokens", `{"scope":"node:node_0","hours":1}`)
	require.Equal(t, 201, w.Code, w.Body.String())
	var out tokenOut
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out.Body))
	require.Equal(t, 403, ask(t, a, out.Body.Token, http.MethodGet, "/users", "").Code)
	require.Equal(t, 400, ask(t, a, root, http.MethodPost, "/tokens", `{"scope":"everything"}`).Code)
	require.Equal(t, 404, ask(t, a, root, http.MethodPost, "/tokens", `{"user":"nobody"}`).Code)
	require.Equal(t, 422, ask(t, a, root, http.MethodPost, "/tokens", `{"hours":1e9}`).Code)
}

func TestAudit_TellsWhoDidWhat(t *testing.T) {
	a, audit := accountsAPI(t)
	root := logIn(t, a, "root")
	ask(t, a, root, http.MethodGet, "/users", "")
	ask(t, a, logIn(t, a, "ada"), http.MethodDelete, "/users/root%0Aforged", "")
	ask(t, a, "", http.MethodPost, "/login", `{"username":"x\ny","password":"guess"}`)
	var lines []map[string]any
	for line := range strings.Lines(audit.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		lines = append(lines, l)
	}
	require.Len(t, lines, 4, "what only looks is not told")
	for i, want := range []struct {
		user, method string
		status       float64
	}{{"root", "POST", 200}, {"ada", "POST", 200}, {"ada", "DELETE", 403}, {`"x\ny"`, "POST", 401}} {
		require.Equal(t, want.user, lines[i]["user"])
		require.Equal(t, want.method, lines[i]["method"])
		require.InDelta(t, want.status, lines[i]["status"], 0)
	}
	require.NotContains(t, audit.String(), "correct horse")
	require.NotContains(t, audit.String(), root)
}

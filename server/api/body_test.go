package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sent makes a call whose body is said to be of a kind.
func sent(a *API, token, path, kind, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestBody_JSONIsTakenAsCurlSendsIt(t *testing.T) {
	a, _ := accountsAPI(t)
	root := logIn(t, a, "root")
	const form = "application/x-www-form-urlencoded"
	require.Equal(t, 201, sent(a, root, "/users", form, `{"name":"eve","password":"correct horse"}`).Code)
	w := sent(a, root, "/users", form, "name=eve&password=correct+horse")
	require.Equal(t, 400, w.Code)
	require.Equal(t, problemType, w.Header().Get("Content-Type"))
}

func TestBody_WhatIsNotUnderstoodIsNotRepeated(t *testing.T) {
	a, _ := accountsAPI(t)
	root := logIn(t, a, "root")
	rows := []struct {
		name, kind, body string
		want             int
	}{
		{"another kind", "text/csv", `{"name":"eve","password":"correct horse"}`, 415},
		{"no JSON", "application/json", `{"name":"eve","password":"correct horse"`, 400},
		{"a wrong field", "application/json", `{"name":"eve","password":["correct horse"]}`, 422},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := sent(a, root, "/users", row.kind, row.body)
			require.Equal(t, row.want, w.Code, w.Body.String())
			require.NotContains(t, w.Body.String(), "horse")
			require.NotEmpty(t, problem(t, w).Hint)
		})
	}
}

func TestBody_OneThatIsTooLongIs413(t *testing.T) {
	a, _ := accountsAPI(t)
	long := `{"username":"` + strings.Repeat("a", 2<<20) + `"}`
	require.Equal(t, 413, ask(t, a, "", http.MethodPost, "/login", long).Code)
	require.Equal(t, 413, sent(a, logIn(t, a, "root"), "/users", "application/json", long).Code)
}

func TestCall_WhatPassesByItselfIsNoErrorOfTheLog(t *testing.T) {
	var told strings.Builder
	cfg := config()
	cfg.Log, cfg.Ready = slog.New(slog.NewTextHandler(&told, nil)), func() bool { return false }
	a := New(cfg)
	require.Equal(t, 503, ask(t, a, "", http.MethodGet, "/readyz", "").Code)
	require.Contains(t, told.String(), "level=WARN")
	require.NotContains(t, told.String(), "level=ERROR")
	require.Equal(t, 500, ask(t, a, "broken", http.MethodGet, "/users", "").Code)
	require.Contains(t, told.String(), "level=ERROR")
}

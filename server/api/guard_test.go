package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

// guardedAPI has a call for each role, one for scopes, and two that go wrong.
func guardedAPI(t *testing.T) *API {
	a := New(config())
	say := func(w http.ResponseWriter, r *http.Request) error {
		_, err := w.Write([]byte(principal(r.Context()).User))
		return err
	}
	for _, role := range job.Roles() {
		a.stream(huma.Operation{Method: http.MethodGet, Path: "/" + string(role)}, by(role), say)
	}
	a.stream(huma.Operation{Method: http.MethodGet, Path: "/scoped"}, access{role: job.Viewer, scopes: []string{nodeScope}}, say)
	a.stream(huma.Operation{Method: http.MethodGet, Path: "/panic"}, by(job.Viewer), func(http.ResponseWriter, *http.Request) error {
		panic("secret")
	})
	a.mux.HandleFunc("GET /undeclared", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return a
}

func TestGuard_LetsThroughByRole(t *testing.T) {
	a := guardedAPI(t)
	rows := []struct {
		token, path string
		want        int
	}{
		{"viewer", "/viewer", 200},
		{"operator", "/viewer", 200},
		{"admin", "/viewer", 200},
		{"viewer", "/operator", 403},
		{"operator", "/operator", 200},
		{"operator", "/admin", 403},
		{"admin", "/admin", 200},
		{"node", "/scoped", 200},
		{"node", "/viewer", 403},
		{"metrics", "/scoped", 403},
		{"metrics", "/admin", 403},
		{"admin", "/scoped", 200},
		{"", "/healthz", 200},
		{"nonsense", "/healthz", 200},
		{"", "/viewer", 401},
		{"nonsense", "/viewer", 401},
		{"broken", "/viewer", 500},
		{"", "/nowhere", 401},
		{"viewer", "/nowhere", 404},
		{"viewer", "//nowhere", 404},
		{"", "/", 302},
		{"viewer", "/viewer/../nowhere", 404},
		{"node", "/nowhere", 403},
		{"viewer", "/undeclared", 403},
		{"admin", "/undeclared", 418},
	}
	for _, row := range rows {
		t.Run(row.token+row.path, func(t *testing.T) {
			w := ask(t, a, row.token, http.MethodGet, row.path, "")
			require.Equal(t, row.want, w.Code, w.Body.String())
			if row.want >= 400 && row.want != http.StatusTeapot {
				p := problem(t, w)
				require.NotContains(t, w.Body.String(), "secret")
				require.NotContains(t, w.Body.String(), "a operator")
				if row.want == 401 {
					require.Equal(t, `Bearer realm="spillway"`, w.Header().Get("WWW-Authenticate"))
					require.Equal(t, "unauthenticated", p.Code)
					require.NotEmpty(t, p.Hint)
				}
			}
		})
	}
}

// leavers have a user who is removed after so many looks, and a store that is away once.
type leavers struct {
	Accounts
	looks *atomic.Int64
}

func (l leavers) Principal(ctx context.Context, token string) (job.Principal, error) {
	switch n := l.looks.Add(1); {
	case n == 2:
		return holders{}.Principal(ctx, "broken")
	case n > 3:
		return holders{}.Principal(ctx, "nonsense")
	}
	return holders{}.Principal(ctx, token)
}

// trickle is a body of which a byte comes every six seconds.
type trickle struct{ left int }

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(6 * time.Second)
	b.left--
	return copy(p, "x"), nil
}

func TestGuard_ABodyEndsWithItsSendersToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		cfg := config()
		cfg.Accounts = leavers{looks: &looks}
		a, got := New(cfg), 0
		a.stream(huma.Operation{Method: http.MethodPut, Path: "/kept"}, by(job.Operator), func(w http.ResponseWriter, r *http.Request) error {
			b, err := io.ReadAll(r.Body)
			got = len(b)
			if err != nil {
				return badBody(w, err, "it", "it is long")
			}
			return nil
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/kept", &trickle{left: 100})
		r.Header.Set("Authorization", "Bearer operator")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, problem(t, w).Status)
		require.Equal(t, 3, got, "a store that is away ends none")
	})
}

func TestGuard_RefusesMalformedTokens(t *testing.T) {
	a := guardedAPI(t)
	for _, header := range [][]string{
		{},
		{""},
		{"viewer"},
		{"Bearer"},
		{"Bearer "},
		{"Bearer  viewer"},
		{"Bearer viewer x"},
		{"Basic viewer"},
		{"Bearer viewer", "Bearer viewer"},
		{"bearer viewer, Bearer viewer"},
		{"Bearer\tviewer"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/viewer", nil)
		r.Header["Authorization"] = header
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, 401, w.Code, header)
		problem(t, w)
	}
}

func TestGuard_SaysWhichMethodsAPathTakes(t *testing.T) {
	w := ask(t, guardedAPI(t), "admin", http.MethodDelete, "/viewer", "")
	require.Equal(t, 405, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	require.Contains(t, problem(t, w).What, "DELETE")
}

func TestGuard_LeadsNobodyToWhereNothingIs(t *testing.T) {
	a := guardedAPI(t)
	for _, path := range []string{"/nope", "//nope", "/jobs/../../nope"} {
		require.Equal(t, http.StatusNotFound, problem(t, ask(t, a, "viewer", "GET", path, "")).Status, path)
	}
	w := ask(t, a, "viewer", "GET", "//viewer", "")
	require.Equal(t, http.StatusTemporaryRedirect, w.Code)
	require.Equal(t, "/viewer", w.Header().Get("Location"))
}

func TestGuard_APanicIsAnAnswerWithoutItsCause(t *testing.T) {
	w := ask(t, guardedAPI(t), "viewer", http.MethodGet, "/panic", "")
	require.Equal(t, 500, w.Code)
	require.Equal(t, "internal", problem(t, w).Code)
	require.NotContains(t, w.Body.String(), "secret")
	require.NotEmpty(t, w.Header().Get("X-Request-Id"))
}

func TestGuard_TurnsAwayWhatComesOnTop(t *testing.T) {
	cfg := config()
	cfg.Requests = 1
	a := New(cfg)
	var inner *httptest.ResponseRecorder
	a.stream(huma.Operation{Method: http.MethodGet, Path: "/slow"}, by(job.Viewer), func(http.ResponseWriter, *http.Request) error {
		inner = ask(t, a, "viewer", http.MethodGet, "/slow", "")
		return nil
	})
	require.Equal(t, 200, ask(t, a, "viewer", http.MethodGet, "/slow", "").Code)
	require.Equal(t, 503, inner.Code)
	require.Equal(t, "1", inner.Header().Get("Retry-After"))
	problem(t, inner)
}

func TestGuard_SetsSecurityHeadersOnEverything(t *testing.T) {
	a := guardedAPI(t)
	for _, path := range []string{"/healthz", "/viewer", "/nowhere", "/docs", "/openapi.json"} {
		h := ask(t, a, "", http.MethodGet, path, "").Header()
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
	}
}

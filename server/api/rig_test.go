package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// holders are accounts whose tokens are known: "viewer", "operator" and "admin" are
// tokens of users with that role, "metrics" and "node" have scopes.
type holders struct{ Accounts }

func (holders) Principal(_ context.Context, token string) (job.Principal, error) {
	switch token {
	case "viewer", "operator", "admin":
		return job.Principal{User: "user-" + token, Role: job.Role(token)}, nil
	case "metrics":
		return job.Principal{User: "user-admin", Role: job.Admin, Scope: job.MetricsScope}, nil
	case "node":
		return job.Principal{User: "user-admin", Role: job.Admin, Scope: job.NodeScope("node_0")}, nil
	case "broken":
		return job.Principal{}, errors.New("the database at secret.host is away")
	}
	return job.Principal{}, job.E(job.Unauthenticated, "", errors.New("the token is not valid"), tokenHint)
}

// config is that of an API of which a test sets the parts that it needs.
func config() Config {
	return Config{Accounts: holders{}, Log: slog.New(slog.DiscardHandler)}
}

// ask makes a call with a token, if it is not "", and returns the answer.
func ask(t *testing.T, h http.Handler, token, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problem reads an answer that is an error, as all must be.
func problem(t *testing.T, w *httptest.ResponseRecorder) ProblemError {
	t.Helper()
	require.Equal(t, problemType, w.Header().Get("Content-Type"), w.Body.String())
	var p ProblemError
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, w.Code, p.Status)
	require.NotEmpty(t, p.What)
	require.NotEmpty(t, p.Code)
	return p
}

// askKeyed makes a POST with an Idempotency-Key.
func askKeyed(t *testing.T, h http.Handler, token, key, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(keyHeader, key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// encoded is a text as cursors are.
func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

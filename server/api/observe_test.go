package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/account"
	"spillway/server/store"
)

// counter is an observer that remembers.
type counter struct {
	mu     sync.Mutex
	calls  []job.Call
	logins []job.Code
}

func (l *counter) Answered(c job.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Took = 0
	l.calls = append(l.calls, c)
}

func (l *counter) LoggedIn(code job.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logins = append(l.logins, code)
}

func TestObserver_HearsOfCallsByTheirRoute(t *testing.T) {
	l := &counter{}
	cfg := config()
	cfg.Observer = l
	a := New(cfg)
	inside := 0
	a.mount("PUT /things/{id}", by(job.Viewer), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside = a.InFlight()
		_, _ = r.Body.Read(make([]byte, 3))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("hello"))
	}))
	a.mount("GET /quiet", by(job.Viewer), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask(t, a, "viewer", http.MethodPut, "/things/any%2f..name", "four")
	ask(t, a, "viewer", http.MethodGet, "/quiet", "")
	missing := ask(t, a, "viewer", http.MethodGet, "/no/such/call", "")
	odd := ask(t, a, "", "BREW", "/things/1", "")
	require.Equal(t, 1, inside)
	require.Zero(t, a.InFlight())
	require.Equal(t, []job.Call{
		{Route: "/things/{id}", Method: http.MethodPut, Status: 202, Received: 3, Sent: 5},
		{Route: "/quiet", Method: http.MethodGet, Status: 200},
		{Method: http.MethodGet, Status: 404, Sent: int64(missing.Body.Len())},
		{Method: "BREW", Status: 401, Sent: int64(odd.Body.Len())},
	}, l.calls)
}

func TestObserver_HearsOfPanicsAndOfAnswersBrokenOff(t *testing.T) {
	l := &counter{}
	cfg := config()
	cfg.Observer = l
	a := New(cfg)
	a.mount("GET /panics", anybody, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("a fault")) }))
	a.mount("GET /breaks", anybody, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic(http.ErrAbortHandler)
	}))
	ask(t, a, "", http.MethodGet, "/panics", "")
	require.Panics(t, func() { ask(t, a, "", http.MethodGet, "/breaks", "") })
	require.Len(t, l.calls, 2)
	require.Equal(t, 500, l.calls[0].Status)
	require.Zero(t, l.calls[1].Status)
	require.Equal(t, "/breaks", l.calls[1].Route)
}

func TestObserver_HearsOfLogins(t *testing.T) {
	l := &counter{}
	accounts := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}}, store.NewMemory())
	require.NoError(t, accounts.Add(t.Context(), "ada", "correct horse", job.Viewer))
	cfg := config()
	cfg.Accounts, cfg.Observer = accounts, l
	a := New(cfg)
	for _, password := range []string{"correct horse", "wrong"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader(""))
		r.SetBasicAuth("ada", password)
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Equal(t, []job.Code{"", job.Unauthenticated}, l.logins)
}

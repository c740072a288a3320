package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/server/store"
	workloads "spillway/server/workload"
)

// fuzzed is an API with parts that read what callers send.
func fuzzed(f *testing.F) *API {
	w, err := workloads.New(workloads.Config{Dir: f.TempDir()}, nil, store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(f, err)
	c := config()
	c.Workloads, c.Nodes = w, offering{}
	return New(c)
}

// requireMeek checks an answer to what may be anything: it is understood, or refused in
// the words of all refusals.
func requireMeek(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Less(t, w.Code, 500, w.Body.String())
	if w.Code >= 400 {
		problem(t, w)
	}
	require.True(t, w.Header().Get("Content-Type") == problemType || json.Valid(w.Body.Bytes()) || w.Body.Len() == 0)
	for name, values := range w.Header() {
		require.NotContains(t, name+strings.Join(values, ""), "\n")
	}
}

// asked makes a call whose parts may be anything.
func asked(t *testing.T, a *API, method, path, query, authorization, kind, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header["Authorization"] = []string{authorization}
	r.Header["Content-Type"] = []string{kind}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func FuzzTokenHeader(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer viewer", "bearer  viewer", "Basic dmlld2Vy", "Bearer \x00", "Bearer viewer,Bearer admin", strings.Repeat("Bearer ", 100)} {
		f.Add(seed)
	}
	a := fuzzed(f)
	f.Fuzz(func(t *testing.T, header string) {
		w := asked(t, a, http.MethodGet, "/users", "", header, "", "")
		if strings.HasSuffix(header, " broken") {
			return // the fake's own fault
		}
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError}, w.Code, "only an admin's token opens it")
		if w.Code == http.StatusInternalServerError { // the fake has no users to show
			scheme, token, _ := strings.Cut(header, " ")
			require.True(t, strings.EqualFold(scheme, "bearer") && token == "admin", header)
			return
		}
		requireMeek(t, w)
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "1e9", "9223372036854775808", "' OR 1=1--", "%00", "\xff", "a&cursor=b"} {
		f.Add(seed)
	}
	a := fuzzed(f)
	f.Fuzz(func(t *testing.T, cursor string) {
		requireMeek(t, asked(t, a, http.MethodGet, "/workloads", "cursor="+url.QueryEscape(cursor), "Bearer viewer", "", ""))
		requireMeek(t, asked(t, a, http.MethodGet, "/workloads", cursor, "Bearer viewer", "", ""))
	})
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"", "..", "a/b", "../../etc/passwd", "a\x00", "\r\nX: 1", "1'--", "-1", strings.Repeat("9", 100)} {
		f.Add(seed)
	}
	a := fuzzed(f)
	f.Fuzz(func(t *testing.T, name string) {
		for _, path := range []string{"/workloads/", "/images/", "/music/", "/"} {
			w := asked(t, a, http.MethodGet, path+name, "workload_id="+url.QueryEscape(name), "Bearer operator", "", "")
			if w.Code >= 300 && w.Code < 400 {
				require.NotRegexp(t, `^(//|/\\|[a-zA-Z]+:)`, w.Header().Get("Location"))
				continue
			}
			if w.Code >= 400 {
				problem(t, w)
			}
			require.Less(t, w.Code, 500)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"filter":"blur","workload_name":"../x"}`, `{"filter":"0"}`, "filter=%zz", "--b\r\n\r\nx\r\n--b--", strings.Repeat("[", 20_000)} {
		f.Add("application/json", seed)
		f.Add("text/plain", seed)
		f.Add("multipart/form-data; boundary=b", seed)
		f.Add("application/x-www-form-urlencoded", seed)
	}
	a := fuzzed(f)
	f.Fuzz(func(t *testing.T, kind, body string) {
		requireMeek(t, asked(t, a, http.MethodPost, "/workloads", "", "Bearer operator", kind, body))
		w := asked(t, a, http.MethodPost, "/login", "", "Bearer x", kind, body)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		_, _, err := loginOf(httptest.NewRecorder(), withBody(t, kind, body))
		if err != nil {
			require.Less(t, problemOf(err).Status, 500)
		}
	})
}

// withBody is a call of POST /login.
func withBody(t *testing.T, kind, body string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader(body))
	r.Header["Content-Type"] = []string{kind}
	return r
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"", "127.0.0.1:1", "[::1]:1", "[::ffff:1.2.3.4]:1", "[fe80::1%eth0]:1", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hostPort string) {
		a := addressOf(hostPort)
		if a.Is6() && a.IsValid() {
			require.Equal(t, netip.PrefixFrom(a, 64).Masked().Addr(), a, "only the half that is given to it")
		}
		require.Empty(t, a.Zone())
	})
}

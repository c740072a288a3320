package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// target is a server whose HTTP API is attacked.
type target struct {
	t      *testing.T
	at     string // HOST:PORT
	token  string // an admin's
	server *process
	leaks  *regexp.Regexp
	calls  []described
}

// described is a call as the server's description has it.
type described struct {
	method, path string
	body         bool
	endless      bool // its answer is a stream of events
}

// rssLimit is what the server may take at any time, in bytes. The race detector is not
// in it, since the programs are built without.
const rssLimit = 512 << 20

// newTarget starts a server without nodes and logs in.
func newTarget(t *testing.T) *target {
	t.Helper()
	dir := t.TempDir()
	x := &target{t: t, at: freeAddr(t)}
	x.server = spawn(t, dir, "server", "--machines", "", "--listen", freeAddr(t), "--http", x.at, "--demo")
	eventually(t, "the server answers", func() bool { return x.serves() == nil })
	x.leaks = regexp.MustCompile(regexp.QuoteMeta(dir) + `|(?i)goroutine \d|runtime error|\.go:\d|sqlite|sqlstate|no such (table|column)|syntax error at|near "|/data/(state|files)|root:x:0|\bpanic\b|argon2id`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+x.at+"/login", nil)
	require.NoError(t, err)
	r.SetBasicAuth("username", "password")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	var session struct{ Token string }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&session))
	require.NotEmpty(t, session.Token)
	x.token = session.Token
	x.describe()
	return x
}

// describe reads which calls there are.
func (x *target) describe() {
	x.t.Helper()
	answer, err := http.Get("http://" + x.at + "/openapi.json")
	require.NoError(x.t, err)
	defer answer.Body.Close()
	var spec struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(x.t, json.NewDecoder(answer.Body).Decode(&spec))
	for path, methods := range spec.Paths {
		for method, call := range methods {
			x.calls = append(x.calls, described{
				strings.ToUpper(method), path, bytes.Contains(call, []byte(`"requestBody"`)), bytes.Contains(call, []byte("text/event-stream")),
			})
		}
	}
	slices.SortFunc(x.calls, func(a, b described) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	require.Greater(x.t, len(x.calls), 10)
}

// serves reports why an honest stranger is not served.
func (x *target) serves() error {
	nc, err := net.DialTimeout("tcp", x.at, patience)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", r.StatusCode)
	}
	return nil
}

// requireServed has honest strangers make n calls, of which all must be answered, and
// the server's memory be small.
func (x *target) requireServed(t *testing.T, n int) {
	t.Helper()
	for range n {
		require.NoError(t, x.serves())
	}
	require.Less(t, x.rss(t), rssLimit)
}

// rss is the memory of the server, in bytes.
func (x *target) rss(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.server.cmd.Process.Pid))
	require.NoError(t, err)
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, m, "the server has died")
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n << 10
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// raw sends bytes on a connection of their own, ends its own side when half, and returns
// all answers.
func (x *target) raw(t *testing.T, sent string, half bool) (all []answer) {
	t.Helper()
	nc, err := net.Dial("tcp", x.at)
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	_, _ = io.WriteString(nc, sent) // it may be refused before its end
	if tcp, ok := nc.(*net.TCPConn); ok && half {
		_ = tcp.CloseWrite()
	}
	method, _, _ := strings.Cut(sent, " ")
	in := bufio.NewReader(nc)
	for {
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return all
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		_ = r.Body.Close()
		if err == nil || len(b) > 0 {
			all = append(all, answer{r, string(b)})
		}
		if r.Close || err != nil {
			return all
		}
	}
}

// request is the text of a call with the admin's token.
func (x *target) request(method, path, headers, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s",
		method, path, x.token, len(body), headers, body)
}

// source is where a folder of uploads is for jobs, which is meant to be told.
var source = regexp.MustCompile(`"source":"[^"]*"`)

// requireHarmless checks what holds for every answer.
func (x *target) requireHarmless(t *testing.T, a answer, what string) {
	t.Helper()
	require.NotEqual(t, http.StatusInternalServerError, a.StatusCode, "%s: %s", what, a.body)
	var head strings.Builder
	require.NoError(t, a.Header.Write(&head))
	require.NotRegexp(t, x.leaks, head.String(), what)
	if !strings.HasPrefix(what, "GET /log") { // which admins read for such things
		require.NotRegexp(t, x.leaks, source.ReplaceAllString(a.body, ""), what)
	}
	require.NotContains(t, head.String(), "Access-Control-", what)
	require.NotContains(t, head.String(), "X-Injected", what)
	if a.Header.Get("X-Request-Id") == "" { // the library's own words, before any call
		if a.body != "" {
			require.Contains(t, a.Header.Get("Content-Type"), "text/plain", what)
		}
		require.True(t, a.Close, what)
		return
	}
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), what)
	require.NotEmpty(t, a.Header.Get("Content-Security-Policy"), what)
	if a.StatusCode >= http.StatusBadRequest && a.Request.Method != http.MethodHead {
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), what)
		var p struct{ Error, Code string }
		require.NoError(t, json.Unmarshal([]byte(a.body), &p), what)
		require.NotEmpty(t, p.Error, what)
		require.NotEmpty(t, p.Code, what)
	}
}

// hostileNames stand where an id or a name belongs, as a path has them.
var hostileNames = []string{
	"..", "%2e%2e", "%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2f..%2fspillway.db", "%2fetc%2fpasswd", "..%5c..%5cx",
	"%252e%252e%252f", "..;%2f", "%00", "a%00.jpg", "%0d%0aX-Injected:%201", "%0aX-Injected:1", "%ff%fe%c0%af", "%e2%80%ae",
	"'%20OR%20'1'='1", "1'--", "1;DROP%20TABLE%20jobs;--", "%22%20UNION%20SELECT%20password%20FROM%20users--", "1%20OR%201=1", "%25s%25n%25d",
	"-1", "1e9", "NaN", "0x1", "99999999999999999999999", "%7B%7B7*7%7D%7D", "$%7Bjndi:ldap:x%7D", "%3Cscript%3Ealert(1)%3C/script%3E",
	"%7e", "*", ".", "--help", "%20", strings.Repeat("a", 5000), strings.Repeat("%2e%2e%2f", 500),
}

func TestHostileHTTP(t *testing.T) {
	x := newTarget(t)
	t.Run("NoPathParameterTakesWhatItIsNot", x.testNames)
	t.Run("NoBodyOrHeaderOrQueryDoesHarm", x.testBodies)
	t.Run("NoRequestIsReadInTwoWays", x.testForms)
	t.Run("NoTokenIsGuessed", x.testTokens)
	t.Run("CrowdsKeepNobodyOut", x.testCrowds)
	t.Run("SlowPeersKeepNobodyOut", x.testSlow)
	x.requireServed(t, 10)
	x.requireNothingElsewhere()
	require.NotContains(t, x.server.out.String(), "panic")
	audit, err := os.ReadFile(filepath.Join(x.server.cmd.Dir, "data/state/audit.log"))
	require.NoError(t, err)
	for line := range bytes.Lines(audit) {
		require.True(t, json.Valid(line), "%s", line)
	}
	require.NotContains(t, string(audit), x.token)
	x.server.signal(syscall.SIGTERM)
	require.Zero(t, x.server.wait())
}

func (x *target) testNames(t *testing.T) {
	parameter := regexp.MustCompile(`\{[^}]+\}`)
	for _, c := range x.calls {
		names := parameter.FindAllStringIndex(c.path, -1)
		for i := range names {
			for _, hostile := range hostileNames {
				n := -1
				path := parameter.ReplaceAllStringFunc(c.path, func(string) string {
					if n++; n == i {
						return hostile
					}
					return "1"
				})
				all := x.raw(t, x.request(c.method, path, "Content-Type: application/json\r\n", "{}"), false)
				what := c.method + " " + c.path + " with " + hostile[:min(len(hostile), 80)]
				require.Len(t, all, 1, what)
				if !strings.HasPrefix(c.path, "/files/") { // where all of them are names that a file may have, or refused
					require.GreaterOrEqual(t, all[0].StatusCode, 300, "%s: %s", what, all[0].body)
				}
				if to := all[0].Header.Get("Location"); to != "" {
					require.Regexp(t, `^/([^/\\]|$)`, to, what)
				}
				x.requireHarmless(t, all[0], what)
			}
		}
	}
	x.requireServed(t, 3)
}

// requireNothingElsewhere checks that whatever was written lies where it belongs.
func (x *target) requireNothingElsewhere() {
	x.t.Helper()
	dir := x.server.cmd.Dir
	for _, row := range []struct{ path, holds string }{{dir, "data"}, {filepath.Join(dir, "data"), "files state"}} {
		entries, err := os.ReadDir(row.path)
		require.NoError(x.t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		require.Equal(x.t, row.holds, strings.Join(names, " "))
	}
	require.NoError(x.t, filepath.WalkDir(filepath.Join(dir, "data/files"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !e.Type().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		}
		return err
	}))
}

func (x *target) testTokens(t *testing.T) {
	flip := func(i int) string {
		b := []byte(x.token)
		b[i] ^= 1
		return string(b)
	}
	guesses := []string{
		"", "null", "undefined", "spw_", x.token[:len(x.token)-1], x.token + "A", strings.ToLower(x.token), strings.ToUpper(x.token), x.token[4:],
		"' OR '1'='1", "*", "%", "spw_%", "\x00", strings.Repeat("A", 20_000), x.token + ", " + x.token, "Bearer " + x.token,
	}
	for i := range x.token {
		guesses = append(guesses, flip(i))
	}
	for n := range 1000 {
		guesses = append(guesses, fmt.Sprintf("spw_%026d", n))
	}
	client := &http.Client{}
	for _, g := range guesses {
		nc := fmt.Sprintf("GET /users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", g)
		if len(g) == len(x.token) { // the many over one connection
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+x.at+"/users", nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+g)
			a, err := client.Do(r)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, a.Body)
			require.NoError(t, a.Body.Close())
			require.Equal(t, http.StatusUnauthorized, a.StatusCode, g)
			continue
		}
		all := x.raw(t, nc, false)
		require.Len(t, all, 1, g)
		require.Contains(t, []int{400, 401}, all[0].StatusCode, g)
		x.requireHarmless(t, all[0], "a guess")
	}
	all := x.raw(t, x.request("GET", "/users", "", ""), false)
	require.Equal(t, http.StatusOK, all[0].StatusCode, "the true one is still good")
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for n := range 40 { // names and passwords, of names that there are and are not
		wg.Go(func() {
			name := []string{"username", "nobody"}[n%2]
			for _, a := range x.raw(t, fmt.Sprintf("POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n{\"username\":%q,\"password\":\"guess-%03d\"}", 43+len(name), name, n), false) {
				mu.Lock()
				statuses[a.StatusCode]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 40, statuses[401]+statuses[429], "%v", statuses)
	require.Positive(t, statuses[429])
	x.requireServed(t, 3)
}

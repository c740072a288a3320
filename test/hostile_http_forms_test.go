package test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostileBody is a body that no call should take, or take without harm.
type hostileBody struct{ name, headers, body string }

// hostileBodies are sent to every call that takes one.
func hostileBodies(t *testing.T) []hostileBody {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(make([]byte, 16<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	const asJSON, asForm = "Content-Type: application/json\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"
	const asParts = "Content-Type: multipart/form-data; boundary=b\r\n"
	names := []string{"name", "workload_name", "filter", "username", "password", "role", "user", "scope", "folder", "id", "op", "policy", "path", "input", "output", "node", "state"}
	object := func(value string) string {
		var b strings.Builder
		for _, n := range names {
			fmt.Fprintf(&b, ",%q:%s", n, value)
		}
		return "{" + b.String()[1:] + "}"
	}
	return []hostileBody{
		{"depth", asJSON, strings.Repeat("[", 60_000)},
		{"depth of objects", asJSON, strings.Repeat(`{"a":`, 12_000)},
		{"null", asJSON, "null"},
		{"a number", asJSON, "1e999"},
		{"broken", asJSON, `{"name":"\ud800`},
		{"lines", asJSON, object(`"x\r\nX-Injected: 1\r\n\r\n"`)},
		{"SQL", asJSON, object(`"' OR '1'='1'; DROP TABLE users; --"`)},
		{"paths", asJSON, object(`"../../../../etc/passwd"`)},
		{"absolute paths", asJSON, object(`"/etc/passwd"`)},
		{"NUL", asJSON, object(`"a\u0000b"`)},
		{"arrays", asJSON, object(`[[[]]]`)},
		{"large numbers", asJSON, object(`99999999999999999999999999`)},
		{"doubled", asJSON, `{"name":"a","name":"b","NAME":"../c"}`},
		{"more than one", asJSON, `{} {}`},
		{"2 MiB of a string", asJSON, `{"name":"` + strings.Repeat("x", 2<<20) + `"}`},
		{"many fields", asForm, strings.Repeat("a=1&", 15_000)},
		{"broken escapes", asForm, "name=%zz&workload_name=%"},
		{"many parts", asParts, strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", 3_000) + "--b--\r\n"},
		{"many headers of a part", asParts, "--b\r\n" + strings.Repeat("X-A: 1\r\n", 20_000) + "\r\nx\r\n--b--\r\n"},
		{"a part without end", asParts, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x\"\r\n\r\nx"},
		{"a file name with lines", asParts, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\\r\\nX-Injected: 1.jpg\"\r\n\r\nx\r\n--b--\r\n"},
		{"no boundary", "Content-Type: multipart/form-data\r\n", "x"},
		{"an odd type", "Content-Type: ../../x; charset=\"\r\n", "x"},
		{"gzip", "Content-Encoding: gzip\r\n" + asJSON, zipped.String()},
		{"deflate, unsaid", asJSON, zipped.String()},
		{"another method", "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\n" + asJSON, "[]"},
		{"another place", "Origin: http://evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Original-URL: /users\r\n" + asJSON, "[]"},
		{"nothing", "", ""},
	}
}

func (x *target) testBodies(t *testing.T) {
	bodies, large := hostileBodies(t), 8
	for _, c := range x.calls {
		if c.endless {
			continue
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(c.path) // names that nothing has
		if c.method == http.MethodGet || c.method == http.MethodHead {
			for _, query := range []string{"?cursor=%27%20OR%201=1--", "?cursor=%0d%0aX-Injected:1", "?limit=-1&lines=1e9&seconds=NaN", "?a=%zz", "?" + strings.Repeat("a=1&", 5000), "?workload_id=../..&type=%00"} {
				for _, a := range x.raw(t, x.request(c.method, path+query, "Range: bytes="+strings.Repeat("0-0,", 2000)+"1-\r\nOrigin: null\r\n", ""), false) {
					x.requireHarmless(t, a, c.method+" "+c.path+query[:min(len(query), 40)])
				}
			}
		}
		if c.method == http.MethodDelete || c.path == "/login" && c.method != http.MethodPost {
			continue // they would end what the other tests need
		}
		for i, b := range bodies {
			if c.path == "/music" && i%5 != 0 {
				continue // another program looks at each, which takes a quarter of a second
			}
			if len(b.body) > 1<<20 { // the library waits half a second before it hangs up
				if !c.body || large == 0 {
					continue
				}
				large--
			}
			what := c.method + " " + c.path + " with " + b.name
			for _, a := range x.raw(t, x.request(c.method, path, b.headers, b.body), false) { // one that is too long may be cut off
				x.requireHarmless(t, a, what)
			}
		}
	}
	x.requireServed(t, 3)
	for _, path := range []string{"/users", "/login", "/nowhere"} {
		a := x.raw(t, "OPTIONS "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", false)
		require.Len(t, a, 1)
		require.GreaterOrEqual(t, a[0].StatusCode, 400, "a preflight of %s", path)
		x.requireHarmless(t, a[0], "a preflight")
	}
}

// testForms sends what is no request, or could be read as other requests by something
// that stands before the server. smuggled must never be answered as a call.
func (x *target) testForms(t *testing.T) {
	const host, smuggled = "Host: x\r\n", "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	head := "POST /login HTTP/1.1\r\n" + host
	rows := []struct {
		name, sent string
		answers    int // at the most
	}{
		{"two lengths", head + "Content-Length: 0\r\nContent-Length: 36\r\n\r\n" + smuggled, 1},
		{"a length with a sign", head + "Content-Length: +0\r\n\r\n" + smuggled, 1},
		{"a length with a list", head + "Content-Length: 0, 36\r\n\r\n" + smuggled, 1},
		{"a length below nothing", head + "Content-Length: -1\r\n\r\n" + smuggled, 1},
		{"a space before the colon", head + "Content-Length : 36\r\n\r\n" + smuggled, 1},
		{"chunks by another name", head + "Transfer-Encoding: xchunked\r\n\r\n" + smuggled, 1},
		{"chunks and identity", head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled, 1},
		{"chunks twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 1},
		{"chunks with a tab", head + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + smuggled, 1},
		{"a chunk of an odd size", head + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + smuggled, 1},
		{"a chunk of a huge size", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + smuggled, 1},
		{"a chunk below nothing", head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + smuggled, 1},
		{"a folded header", "GET /healthz HTTP/1.1\r\n" + host + "X: a\r\n b\r\nConnection: close\r\n\r\n", 1},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 1},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 1},
		{"a host with a path", "GET /healthz HTTP/1.1\r\nHost: a/../b\r\n\r\n", 1},
		{"a host with a space", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 1},
		{"a name with a line", "GET /healthz HTTP/1.1\r\n" + host + "X\x00: 1\r\n\r\n", 1},
		{"a URL with a line", "GET /a\rb HTTP/1.1\r\n" + host + "\r\n", 1},
		{"a URL of 100 KB", "GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\n" + host + "\r\n", 1},
		{"a header of 100 KB", "GET /healthz HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 100_000) + "\r\n\r\n", 1},
		{"10,000 headers", "GET /healthz HTTP/1.1\r\n" + host + strings.Repeat("X: 1\r\n", 10_000) + "\r\n", 1},
		{"another version", "GET /healthz HTTP/9.9\r\n" + host + "\r\n", 1},
		{"no version", "GET /healthz\r\n", 1},
		{"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n" + smuggled, 1},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1},
		{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 1},
		{"Thrift", "\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00\x00", 1},
		{"a method of its own", "X" + strings.Repeat("Y", 1000) + " /healthz HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"TRACE", "TRACE /healthz HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"CONNECT", "CONNECT evil.example:80 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"options of all", "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"a whole URL", "GET http://evil.example/healthz HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"a URL of two slashes", "GET //evil.example/%2e%2e/healthz HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 1},
		{"an upgrade", "GET /healthz HTTP/1.1\r\n" + host + "Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 1},
		{"other expectations", head + "Expect: magic\r\nContent-Length: 5\r\n\r\n", 1},
		{"pipelined", strings.Repeat("GET /healthz HTTP/1.1\r\n"+host+"\r\n", 100), 100},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			all := x.raw(t, row.sent, true)
			require.LessOrEqual(t, len(all), row.answers)
			for _, a := range all {
				x.requireHarmless(t, a, row.name)
				require.NotContains(t, a.Header.Get("Location"), "//")
			}
			if row.answers > 1 {
				require.Len(t, all, row.answers)
			}
		})
	}
	// What is chunked has no length: RFC 9112 lets a server take it so.
	all := x.raw(t, head+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled, true)
	require.LessOrEqual(t, len(all), 2)
	require.Equal(t, http.StatusUnauthorized, all[0].StatusCode, "the body was empty, and not the 5 bytes that follow")
	x.requireServed(t, 3)
}

// crowdOfPeers opens n connections from an address of loopback, sends on each, and returns
// how to close them.
func (x *target) crowdOfPeers(t *testing.T, n int, from, first string) (end func()) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	open := make([]net.Conn, n)
	var wg sync.WaitGroup
	const dialers = 4
	for k := range dialers {
		wg.Go(func() {
			for i := k; i < n; i += dialers {
				nc, err := d.DialContext(t.Context(), "tcp", x.at)
				if err != nil {
					continue // the queue of the listener was full
				}
				if tcp, ok := nc.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(4 << 10) // so that the system does not take for a peer what it does not read
				}
				_, _ = io.WriteString(nc, first)
				open[i] = nc
			}
		})
	}
	wg.Wait()
	return func() {
		for _, nc := range open {
			if nc != nil {
				nc.Close()
			}
		}
	}
}

// testCrowds opens far more connections than the server keeps.
func (x *target) testCrowds(t *testing.T) {
	for _, row := range []struct {
		name, from, first string
		peers             int
	}{
		{"idle", "127.0.0.1", "", 10_000},
		{"half a head", "127.0.0.2", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", 6_000},
		{"after a call", "127.0.0.1", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 6_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			end := x.crowdOfPeers(t, most(t, row.peers), row.from, row.first)
			defer end()
			x.requireServed(t, 50)
		})
	}
}

// testSlow has peers that send bodies slowly, wait for what they never get, and read
// nothing.
func (x *target) testSlow(t *testing.T) {
	auth := "Host: x\r\nAuthorization: Bearer " + x.token + "\r\n"
	for _, row := range []struct{ name, first string }{
		{"bodies of strangers", "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"},
		{"bodies of users", "POST /workloads HTTP/1.1\r\n" + auth + "Content-Length: 1000\r\n\r\n{"},
		{"uploads", "POST /images HTTP/1.1\r\n" + auth + "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nx"},
		{"expectations", "POST /login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n"},
		{"readers", strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 20)},
	} {
		t.Run(row.name, func(t *testing.T) {
			end := x.crowdOfPeers(t, most(t, 700), "127.0.0.2", row.first)
			defer end()
			// They are slow once they have kept the server waiting.
			eventually(t, "others are served", func() bool { return x.serves() == nil })
			x.requireServed(t, 10)
		})
	}
}

// most is n, or how many connections this process may open.
func most(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if may := int(limit.Cur) - 500; may < n {
		t.Logf("only %d connections: the limit of open files is %d", may, limit.Cur)
		return may
	}
	return n
}

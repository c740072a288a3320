package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
)

// PlainHTTP is the benchmark's command that is the plain program beside the HTTP API: a
// handler of net/http and nothing else. It takes HOST:PORT and a folder for what is
// uploaded.
const PlainHTTP = "plain-http"

// HTTPConfig is what HTTP servers are measured with.
type HTTPConfig struct {
	Bin, Self string
	Path      string        // of the call that is measured
	Upload    int           // bytes of a picture that is posted instead; 0: GETs
	Peers     int           // connections, each with one call at a time
	Turn      time.Duration // of each server
	Turns     int
}

// HTTPTook is what a server did in its turns.
type HTTPTook struct {
	Calls int
	Time  time.Duration
	CPU   time.Duration // of the server
	P99   time.Duration
	MaxMB float64 // memory after the last turn

	waits []time.Duration
}

// Rate is in calls/s.
func (h HTTPTook) Rate() float64 { return float64(h.Calls) / h.Time.Seconds() }

// CPUEach is the server's CPU time for a call.
func (h HTTPTook) CPUEach() time.Duration { return h.CPU / time.Duration(max(1, h.Calls)) }

// httpServer is a server that is measured.
type httpServer struct {
	*process
	at      string
	request []byte // the call, as it is sent
	took    HTTPTook
}

// MeasureHTTP measures the server's HTTP API and the plain handler, in turns.
// Errors: NotFound (a program is not there), Unavailable (one fails).
func MeasureHTTP(ctx context.Context, c HTTPConfig) (ours, plain HTTPTook, err error) {
	dir, err := os.MkdirTemp("", "spillway-http-")
	if err != nil {
		return ours, plain, err
	}
	defer os.RemoveAll(dir)
	var ports ports
	api, err := startAPI(ctx, c, dir, &ports)
	if err != nil {
		return ours, plain, err
	}
	defer api.stop()
	bare, err := startBare(ctx, c, dir, &ports, api)
	if err != nil {
		return ours, plain, err
	}
	defer bare.stop()
	for range c.Turns {
		for _, s := range []*httpServer{bare, api} {
			if err := s.turn(ctx, c); err != nil {
				return ours, plain, failure(err, s.process)
			}
		}
	}
	return api.took.sum(), bare.took.sum(), nil
}

// startAPI starts the server, and logs in.
func startAPI(ctx context.Context, c HTTPConfig, dir string, p *ports) (*httpServer, error) {
	listen, err := p.freeAddr()
	if err != nil {
		return nil, err
	}
	s := &httpServer{}
	if s.at, err = p.freeAddr(); err != nil {
		return nil, err
	}
	if s.process, err = start("server", dir, nil, filepath.Join(c.Bin, "server"), "--machines", "", "--listen", listen, "--http", s.at, "--demo"); err != nil {
		return nil, err
	}
	token, err := s.session(ctx, c)
	if err != nil {
		defer s.stop()
		return nil, failure(err, s.process)
	}
	s.request = c.request("Authorization: Bearer " + token + "\r\n")
	return s, nil
}

// startBare starts the plain program, whose answers are as long as those of api.
func startBare(ctx context.Context, c HTTPConfig, dir string, p *ports, api *httpServer) (*httpServer, error) {
	answer, err := api.once()
	if err != nil {
		return nil, failure(err, api.process)
	}
	at, err := p.freeAddr()
	if err != nil {
		return nil, err
	}
	uploads := filepath.Join(dir, "plain")
	if err := os.Mkdir(uploads, 0o755); err != nil {
		return nil, err
	}
	s := &httpServer{at: at, request: c.request("Authorization: Bearer spw_" + strings.Repeat("A", 26) + "\r\n")}
	if s.process, err = start("plain", dir, nil, c.Self, PlainHTTP, at, uploads, strconv.Itoa(len(answer))); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		defer s.stop()
		return nil, failure(err, s.process)
	}
	return s, nil
}

// await waits until the server takes connections.
func (s *httpServer) await(ctx context.Context) error {
	const patience, pause = 30 * time.Second, 20 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		nc, err := net.Dial("tcp", s.at)
		if err == nil {
			return nc.Close()
		}
		if time.Now().After(end) || s.hasEnded() {
			return job.E(job.Unavailable, "bench api", err, "see what the program says")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// session logs in, and makes what uploads go to.
func (s *httpServer) session(ctx context.Context, c HTTPConfig) (token string, err error) {
	if err := s.await(ctx); err != nil {
		return "", err
	}
	var in struct{ Token string }
	if err := s.post(ctx, "/login", func(r *http.Request) { r.SetBasicAuth("username", "password") }, &in); err != nil || c.Upload == 0 {
		return in.Token, err
	}
	var made struct {
		ID int64 `json:"workload_id"`
	}
	err = s.post(ctx, "/workloads", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+in.Token) }, &made)
	if err == nil && made.ID != 1 {
		err = fmt.Errorf("the first workload is %d", made.ID)
	}
	return in.Token, err
}

// post makes a call before the measurement.
func (s *httpServer) post(ctx context.Context, path string, who func(*http.Request), out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.at+path, http.NoBody)
	if err != nil {
		return err
	}
	who(r)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return job.E(job.Unavailable, "POST "+path, errors.New(answer.Status), "")
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

// request is the call that is measured, as it is sent.
func (c HTTPConfig) request(header string) []byte {
	if c.Upload == 0 {
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", c.Path, header)
	}
	picture := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte{'x'}, c.Upload)...)
	body := fmt.Appendf(nil, "--b\r\nContent-Disposition: form-data; name=\"workload_id\"\r\n\r\n1\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n%s\r\n--b--\r\n", picture)
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\n%sContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s",
		c.Path, header, len(body), body)
}

// once is the body of one answer.
func (s *httpServer) once() ([]byte, error) {
	nc, err := net.Dial("tcp", s.at)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if _, err := nc.Write(s.request); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(nc))
}

// turn has all peers call for a while.
func (s *httpServer) turn(ctx context.Context, c HTTPConfig) error {
	cpu, begun := cpuTime(s.cmd.Process.Pid), time.Now()
	end := begun.Add(c.Turn)
	waits := make([][]time.Duration, c.Peers)
	g, ctx := errgroup.WithContext(ctx)
	for n := range c.Peers {
		g.Go(func() (err error) {
			waits[n], err = s.peer(ctx, end)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.took.Time += time.Since(begun)
	s.took.CPU += cpuTime(s.cmd.Process.Pid) - cpu
	s.took.waits = append(s.took.waits, slices.Concat(waits...)...)
	s.took.MaxMB = float64(residentPages(s.cmd.Process.Pid)) * float64(os.Getpagesize()) / (1 << 20)
	return nil
}

// peer calls until end, and tells how long each call took.
func (s *httpServer) peer(ctx context.Context, end time.Time) (waits []time.Duration, err error) {
	nc, err := net.Dial("tcp", s.at)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	in := bufio.NewReader(nc)
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
		if _, err := nc.Write(s.request); err != nil {
			return waits, err
		}
		if _, err := readAnswer(in); err != nil {
			return waits, err
		}
		done := time.Now()
		waits = append(waits, done.Sub(now))
		now = done
	}
	return waits, ctx.Err()
}

// readAnswer reads a whole answer, which must be 200 and tell its length. It is no more
// than a client must do, so that the servers' cost is not lost beside it.
func readAnswer(in *bufio.Reader) ([]byte, error) {
	length, first := -1, ""
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if first == "" {
			first = string(line)
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && string(name) == "Content-Length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
		if len(line) <= len("\r\n") {
			break
		}
	}
	if !strings.HasPrefix(first, "HTTP/1.1 200 ") || length < 0 {
		return nil, job.E(job.Unavailable, "bench api", fmt.Errorf("the answer is %q", strings.TrimSpace(first)), "choose a --path that answers 200")
	}
	body := make([]byte, length)
	_, err := io.ReadFull(in, body)
	return body, err
}

// sum counts what the turns gave.
func (h HTTPTook) sum() HTTPTook {
	h.Calls = len(h.waits)
	slices.Sort(h.waits)
	if h.Calls > 0 {
		h.P99 = h.waits[h.Calls*99/100]
	}
	h.waits = nil
	return h
}

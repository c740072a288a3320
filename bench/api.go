package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/bench/load"
	"spillway/job"
)

const apiUsage = `bench api measures the HTTP API of bin/server beside a handler of net/http that does nothing
else, in turns, and ends with a line a part that tells whether it meets its target. Parts:
gets (small JSON that takes a login), stored (the same, read from the database), uploads
(pictures posted to a workload); the default is all.

Examples:
  bench api
  bench api gets --path /operations --peers 64
  bench api uploads --turns 9

Flags:
`

// apiConfig is what the command line of api asks for.
type apiConfig struct {
	parts  []string
	path   string
	peers  int
	turn   time.Duration
	turns  int
	upload int
}

// The parts of bench api.
const (
	partGets    = "gets"
	partStored  = "stored"
	partUploads = "uploads"
)

func apiParts() []string { return []string{partGets, partStored, partUploads} }

// getsTarget is the least rate of GETs beside the plain handler.
const getsTarget = 0.5

func newAPIFlags(c *apiConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench api", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&c.path, "path", "/nodes", "`call` that gets makes")
	flags.IntVar(&c.peers, "peers", 16, "connections, each with one call at a time")
	flags.DurationVar(&c.turn, "turn", 2*time.Second, "how long each server is called in a turn")
	flags.IntVar(&c.turns, "turns", 5, "turns of each server")
	flags.IntVar(&c.upload, "bytes", 200_000, "of each picture that uploads sends")
	return flags
}

// parseAPI reads the command line. Errors: pflag.ErrHelp; InvalidArgument.
func parseAPI(args []string) (apiConfig, error) {
	var c apiConfig
	flags := newAPIFlags(&c)
	wrong := func(why string) error {
		return job.E(job.InvalidArgument, "bench api", errors.New(why), "bench api --help shows examples")
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, err
		}
		return c, wrong(err.Error())
	}
	c.parts = flags.Args()
	for _, part := range c.parts {
		if !slices.Contains(apiParts(), part) {
			return c, wrong(fmt.Sprintf("there is no part %q", part))
		}
	}
	if len(c.parts) == 0 {
		c.parts = apiParts()
	}
	switch {
	case !strings.HasPrefix(c.path, "/") || strings.ContainsAny(c.path, " \r\n"):
		return c, wrong(fmt.Sprintf("--path %q is no path", c.path))
	case c.peers < 1 || c.peers > 10_000:
		return c, wrong(fmt.Sprintf("--peers %d is not 1 to 10000", c.peers))
	case c.turns < 1 || c.turns > 1000:
		return c, wrong(fmt.Sprintf("--turns %d is not 1 to 1000", c.turns))
	case c.turn < 100*time.Millisecond:
		return c, wrong(fmt.Sprintf("--turn %v is shorter than 100ms", c.turn))
	case c.upload < 1 || c.upload > 100<<20:
		return c, wrong(fmt.Sprintf("--bytes %d is not 1 to 104857600", c.upload))
	}
	return c, nil
}

// measureAPI is the command.
func measureAPI(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parseAPI(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, apiUsage, newAPIFlags(&c).FlagUsages())
		return nil
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var short error
	for _, part := range c.parts {
		plan := load.HTTPConfig{Bin: filepath.Dir(self), Self: self, Path: c.path, Peers: c.peers, Turn: c.turn, Turns: c.turns}
		target := getsTarget
		switch part { // no target is asked of these
		case partStored:
			plan.Path, target = "/status", 0
		case partUploads:
			plan.Path, plan.Upload, target = "/images", c.upload, 0
		}
		ours, plain, err := load.MeasureHTTP(ctx, plan)
		if err != nil {
			return err
		}
		ratio, verdict := ours.Rate()/plain.Rate(), "ok"
		if ratio < target {
			verdict, short = "short", errShort
		}
		fmt.Fprintln(stdout, strings.Join([]string{
			part, verdict, fmt.Sprintf("ratio=%.3f target=%.2f", ratio, target),
			fmt.Sprintf("spillway=%.0f/s plain=%.0f/s", ours.Rate(), plain.Rate()),
			fmt.Sprintf("p99=%.2fms plain_p99=%.2fms", 1000*ours.P99.Seconds(), 1000*plain.P99.Seconds()),
			fmt.Sprintf("cpu=%dµs plain_cpu=%dµs", ours.CPUEach().Microseconds(), plain.CPUEach().Microseconds()),
			fmt.Sprintf("rss=%.0fMB path=%s peers=%d turns=%d cores=%d", ours.MaxMB, plan.Path, c.peers, c.turns, runtime.NumCPU()),
		}, " "))
	}
	return short
}

// plainHTTP is what the API is measured against: it answers each GET with so many bytes,
// and keeps the file of each POST.
func plainHTTP(ctx context.Context, at, folder, length string) error {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return job.E(job.InvalidArgument, load.PlainHTTP, errors.New("give HOST:PORT FOLDER BYTES"), "")
	}
	answer := []byte(`"` + strings.Repeat("x", max(0, n-3)) + "\"\n")
	s := &http.Server{Addr: at, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := keepFile(r, folder); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer) // the caller has left: there is nobody to tell
	})}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// keepFile writes the file of a form into a folder.
func keepFile(r *http.Request, folder string) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return err
	}
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.FileName() == "" {
			continue
		}
		f, err := os.CreateTemp(folder, "*.jpg")
		if err != nil {
			return err
		}
		_, err = io.Copy(f, p)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}

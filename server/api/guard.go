package api

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// nodeScope stands in [access] for the scopes of all nodes.
const nodeScope = "node"

// allow tells the guard who may make the calls of pattern, as http.ServeMux reads it.
func (a *API) allow(pattern string, who access) { a.rules[pattern] = who }

// mount has h answer the calls of pattern, which the description does not list.
func (a *API) mount(pattern string, who access, h http.Handler) {
	a.allow(pattern, who)
	a.mux.Handle(pattern, h)
}

// chain puts before the calls what holds for all of them.
func (a *API) chain(next http.Handler) http.Handler {
	return a.visited(a.traced(a.measured(secured(a.audited(a.recovered(a.bounded(a.plain(a.guarded(next)))))))))
}

// secured sets the headers that keep browsers from doing with an answer what it is
// not for. Which pages may come from other places is theirs to widen.
func secured(next http.Handler) http.Handler {
	always := http.Header{}
	for name, value := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	} {
		always.Set(name, value)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		maps.Copy(h, always) // who sets one again replaces its list and does not write to it
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// recovered makes of a panic an answer, and a line in the log with its stack.
func (a *API) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // the way to end an answer that has begun
			}
			a.cfg.Log.ErrorContext(r.Context(), "call panicked", "request", requestID(r.Context()), "panic", p, "stack", string(debug.Stack()))
			problemOf(errors.New("panic")).write(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// bounded turns away what comes while as many calls as may be are being answered, and
// none of them has a peer that keeps it waiting.
func (a *API) bounded(next http.Handler) http.Handler {
	busy := job.E(job.ResourceExhausted, "", errors.New("the server answers as many calls as it can"), "come again in a second")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r.Context())
		if !a.places.enter(v, time.Now()) {
			p := problemOf(busy)
			p.Status, p.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
			p.write(w)
			return
		}
		defer a.places.leave(v)
		next.ServeHTTP(w, r)
	})
}

// maxRanges is how many ranges of a file are sent in one answer; who asks for more gets
// the whole file, as RFC 9110 allows.
const maxRanges = 16

// plain takes from a request what would make it another one than it looks, and
// refuses bodies that would have to be unpacked.
func (a *API) plain(next http.Handler) http.Handler {
	packed := newProblem(http.StatusUnsupportedMediaType, job.InvalidArgument, "compressed bodies are not taken", "send the body without Content-Encoding")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
			r.Header.Del(name) // a library behind the guard may do as they say
		}
		if strings.Count(strings.Join(r.Header["Range"], ","), ",") >= maxRanges {
			r.Header.Del("Range")
		}
		for _, coding := range r.Header["Content-Encoding"] {
			if coding != "" && !strings.EqualFold(coding, "identity") {
				w.Header().Set("Accept-Encoding", "identity")
				packed.write(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// guarded lets through whom the declaration of the call allows.
func (a *API) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := a.mux.Handler(r)
		v := visitOf(r.Context())
		v.pattern = pattern
		who, declared := a.rules[pattern]
		switch {
		case declared && who.role == "":
			next.ServeHTTP(w, r)
			return
		case !declared && pattern != "":
			who = by(job.Admin)
		case !declared:
			who = by(job.Viewer) // who has no token does not hear what there is
		}
		p, err := a.authenticate(r)
		v.user = p.User
		if err == nil {
			err = who.check(p)
		}
		if err != nil {
			a.fail(r.Context(), err).write(w)
			return
		}
		if pattern == "" {
			unmatched(w, r, h)
			return
		}
		v.who = p
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &allowed{r.Body, a.still(r, who), time.Now().Add(checkEvery)}
		}
		if r.Header.Get(keyHeader) == "" || !keyed(pattern) {
			next.ServeHTTP(w, r)
		} else if err := a.answerOnce(w, r, pattern, next); err != nil {
			a.fail(r.Context(), err).write(w)
		}
	})
}

// still reports why who sends r may not make the call any more. A store that fails says
// nothing of a token. Errors: Unauthenticated, PermissionDenied.
func (a *API) still(r *http.Request, who access) func() error {
	return func() error {
		p, err := a.authenticate(r)
		if err == nil {
			err = who.check(p)
		}
		if code := job.CodeOf(err); code != job.Unauthenticated && code != job.PermissionDenied {
			return nil
		}
		return err
	}
}

// allowed is a body that ends when its sender may not make the call any more: one that
// comes slowly takes days.
type allowed struct {
	io.ReadCloser
	still func() error
	next  time.Time // to look
}

// Read implements io.Reader.
func (b *allowed) Read(p []byte) (int, error) {
	if now := time.Now(); !now.Before(b.next) {
		b.next = now.Add(checkEvery)
		if err := b.still(); err != nil {
			return 0, err
		}
	}
	return b.ReadCloser.Read(p)
}

// authenticate finds who sends r. Errors: Unauthenticated, Unavailable.
func (a *API) authenticate(r *http.Request) (job.Principal, error) {
	token, err := tokenOf(r)
	if err != nil {
		return job.Principal{}, err
	}
	return a.cfg.Accounts.Principal(r.Context(), token)
}

// tokenOf is the token that r is made with. Errors: Unauthenticated.
func tokenOf(r *http.Request) (string, error) {
	header := r.Header.Values("Authorization")
	if len(header) != 1 {
		return "", job.E(job.Unauthenticated, "", errors.New("this call needs one Authorization header"), tokenHint)
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t") {
		return "", job.E(job.Unauthenticated, "", errors.New("the Authorization header is not \"Bearer TOKEN\""), tokenHint)
	}
	return token, nil
}

// tokenHint tells how to come by a token.
const tokenHint = "POST /login with name and password gives a token; send it as Authorization: Bearer TOKEN (/docs tells all calls)"

// check reports why p may not make the call. Errors: PermissionDenied.
func (who access) check(p job.Principal) error {
	denied := func(why, hint string) error { return job.E(job.PermissionDenied, "", errors.New(why), hint) }
	if p.Scope != "" {
		scope := string(p.Scope)
		if _, node := p.Scope.Node(); node {
			scope = nodeScope
		}
		if !slices.Contains(who.scopes, scope) {
			return denied("the token is for "+string(p.Scope)+" alone", "log in for a token without a scope")
		}
		return nil
	}
	if !p.Role.May(who.role) {
		return denied("the role "+string(p.Role)+" may not do that", "it takes the role "+string(who.role)+"; an admin can give it")
	}
	return nil
}

// unmatched answers what no call is declared for as all errors are answered; h is what
// the multiplexer would answer with.
func unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	c := &statusCatcher{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(c, r)
	if c.status < http.StatusBadRequest {
		c.status = http.StatusNotFound // it leads to a path without // or .. in it, where there is nothing either
	}
	allow := c.header.Get("Allow")
	p := newProblem(c.status, codeOf(c.status), "there is no such call", "GET /docs lists the calls")
	if c.status == http.StatusMethodNotAllowed {
		p = newProblem(c.status, codeOf(c.status), "this path does not take "+r.Method, "it takes "+allow)
	}
	if allow != "" {
		w.Header().Set("Allow", allow)
	}
	p.write(w)
}

// statusCatcher takes an answer and keeps no more of it than its head.
type statusCatcher struct {
	header http.Header
	status int
}

func (c *statusCatcher) Header() http.Header         { return c.header }
func (c *statusCatcher) Write(b []byte) (int, error) { return len(b), nil }
func (c *statusCatcher) WriteHeader(status int)      { c.status = status }

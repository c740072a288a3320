package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

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

// key is the type of what this package keeps in contexts.
type key int

const (
	requestKey key = iota
	principalKey
	entryKey
)

// requestID names the request of ctx in the log; "" outside of one.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}

// principal is who makes the call of ctx; nobody in a call that anybody may make.
func principal(ctx context.Context) job.Principal {
	p, _ := ctx.Value(principalKey).(job.Principal)
	return p
}

// chain puts before the calls what holds for all of them.
func (a *API) chain(next http.Handler) http.Handler {
	return a.named(a.traced(secured(a.recovered(a.audited(a.bounded(a.guarded(next)))))))
}

// named gives each request an id that its answer and the log have.
func (a *API) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:16])
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey, id)))
	})
}

// secured sets the headers that keep browsers from doing with an answer what it is
// not for. Which pages may come from other places is theirs to widen.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
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

// bounded turns away what comes while as many calls as may be are being answered.
func (a *API) bounded(next http.Handler) http.Handler {
	busy := job.E(job.ResourceExhausted, "", errors.New("the server answers as many calls as it can"), "come again in a second")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
			next.ServeHTTP(w, r)
		default:
			p := problemOf(busy)
			p.Status, p.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
			p.write(w)
		}
	})
}

// guarded lets through whom the declaration of the call allows.
func (a *API) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := a.mux.Handler(r)
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
		byUser(r.Context(), p.User)
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
		tracedUser(r.Context(), p.User)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey, p)))
	})
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
const tokenHint = "POST /login with name and password gives a token; send it as Authorization: Bearer TOKEN"

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
		return denied("a "+string(p.Role)+" may not do that", "it takes the role "+string(who.role)+"; an admin can give it")
	}
	return nil
}

// unmatched answers what no call is declared for as all errors are answered; h is what
// the multiplexer would answer with.
func unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	c := &statusCatcher{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(c, r)
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

package api

import (
	"net/http"
	"strings"
	"time"

	"spillway/job"
)

// Observer hears of calls that were answered. It is called by many goroutines, and must
// not wait.
type Observer interface {
	// Answered tells of a call.
	Answered(c job.Call)
	// LoggedIn tells of a login; code is why it was refused, "" where it was not.
	LoggedIn(code job.Code)
}

// InFlight is how many calls are being answered.
func (a *API) InFlight() int { return a.places.count() }

// tellLogin tells the observer, if there is one, how a login ended.
func (a *API) tellLogin(err error) {
	switch {
	case a.cfg.Observer == nil:
	case err == nil:
		a.cfg.Observer.LoggedIn("")
	default:
		a.cfg.Observer.LoggedIn(job.CodeOf(err))
	}
}

// measured tells the observer of each call, once it is answered.
func (a *API) measured(next http.Handler) http.Handler {
	if a.cfg.Observer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, v, returned := time.Now(), visitOf(r.Context()), false
		defer func() { // also where the answer is broken off
			status := v.status
			if !returned || v.cutOff.Load() {
				status = 0
			}
			a.cfg.Observer.Answered(job.Call{
				Route: routeOf(v.pattern), Method: r.Method, Status: status, Took: time.Since(begun),
				Received: v.in.bytes, Sent: v.out.bytes,
			})
		}()
		next.ServeHTTP(w, r)
		returned = true
	})
}

// routeOf is the path of a pattern.
func routeOf(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

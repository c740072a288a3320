package api

import (
	"net/http"
	"sync"
	"time"

	"spillway/job"
)

// audited writes down who did what: every call that may change something, whether it
// was allowed or not.
func (a *API) audited(next http.Handler) http.Handler {
	const burst, every = 1000, 100 * time.Millisecond
	refused, forbidden := &sieve{burst: burst, every: every}, &sieve{burst: burst, every: every}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		v := visitOf(r.Context())
		method, path := r.Method, r.URL.Path // a library behind may change them
		defer func() {
			omitted := 0
			if turnedAway(v) {
				through := refused
				if v.status == http.StatusForbidden { // a user, whom no stranger shall hide
					through = forbidden
				}
				var pass bool
				if pass, omitted = through.let(time.Now()); !pass {
					return
				}
			}
			words := []any{
				"user", job.Shown(clip(v.user)), "method", job.Shown(clip(method)), "path", job.Shown(clip(path)),
				"status", v.status, "from", r.RemoteAddr, "request", v.id,
			}
			if omitted > 0 {
				words = append(words, "omitted", omitted)
			}
			a.cfg.Audit.Info("audit", words...)
		}()
		next.ServeHTTP(w, r)
	})
}

// turnedAway tells the calls that anybody can make as often as they like: those that came
// to nothing and were let through to no handler, or to one that anybody may call.
func turnedAway(v *visit) bool {
	if v.who.User == "" && v.status >= http.StatusMultipleChoices {
		return true
	}
	switch v.status {
	case http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusRequestTimeout:
		return true
	}
	return false
}

// sieve lets burst lines through at once, and after that one every so often, so that
// nobody can fill the log until it forgets.
type sieve struct {
	burst int
	every time.Duration

	mu      sync.Mutex // guards what follows
	full    time.Time  // when as many as burst may come at once again
	omitted int
}

// let tells whether a line may pass, and how many could not since the last that did.
func (s *sieve) let(now time.Time) (pass bool, omitted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full.Before(now) {
		s.full = now
	}
	if s.full.Sub(now) > time.Duration(s.burst-1)*s.every {
		s.omitted++
		return false, 0
	}
	s.full = s.full.Add(s.every)
	omitted, s.omitted = s.omitted, 0
	return true, omitted
}

// clip is the beginning of a text that a caller chose, for the log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}

package api

import (
	"errors"
	"net/http"
	"net/http/pprof"
	"strconv"

	"spillway/job"
)

// maxProfile is for how many seconds a profile may be taken.
const maxProfile = 60

// addMetrics mounts what is for those who watch the server itself.
func (a *API) addMetrics() {
	if a.cfg.Metrics != nil {
		a.mount("GET /metrics", access{role: job.Viewer, scopes: []string{string(job.MetricsScope)}}, a.cfg.Metrics)
	}
	// The command line is not served: it may hold a password of the database.
	a.mount("GET /debug/pprof/", by(job.Admin), a.brief(http.HandlerFunc(pprof.Index)))
	a.mount("GET /debug/pprof/profile", by(job.Admin), a.brief(http.HandlerFunc(pprof.Profile)))
	a.mount("GET /debug/pprof/trace", by(job.Admin), a.brief(http.HandlerFunc(pprof.Trace)))
}

// brief refuses profiles that take longer than maxProfile.
func (a *API) brief(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := r.URL.Query().Get("seconds"); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || !(n > 0 && n <= maxProfile) {
				why := job.E(job.InvalidArgument, "", errors.New("seconds is not a number from 1 to 60"), "ask for a shorter profile, as in ?seconds=10")
				a.fail(r.Context(), why).write(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

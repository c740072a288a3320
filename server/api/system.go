package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// health is how the server is.
type health struct {
	Body struct {
		Status string `json:"status" doc:"ok" example:"ok"`
	}
}

// addSystem declares what tells of the server itself, to anybody.
func (a *API) addSystem() {
	healthy := &health{}
	healthy.Body.Status = "ok"
	register(a, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"server"},
		Summary: "Whether the server lives",
	}, anybody, func(context.Context, *struct{}) (*health, error) { return healthy, nil })
	register(a, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"server"},
		Summary: "Whether the server takes jobs", Description: "503 until it has taken over the jobs that it left behind when it stopped.",
	}, anybody, func(context.Context, *struct{}) (*health, error) {
		if !a.cfg.Ready() {
			return nil, job.E(job.Unavailable, "", errors.New("the server starts: it takes over the jobs it left behind"), "come again in a second")
		}
		return healthy, nil
	})
}

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

type (
	logLinesIn struct {
		Lines int `query:"lines" minimum:"1" maximum:"1000" default:"100" doc:"so many at most, the last ones"`
	}
	logLinesOut struct {
		Body struct {
			Lines []LogLine `json:"lines" nullable:"false" doc:"oldest first"`
		}
	}
)

// addLog declares what tells of the server's own log, if it is kept.
func (a *API) addLog() {
	if a.cfg.Lines == nil {
		return
	}
	register(a, huma.Operation{
		OperationID: "log", Method: http.MethodGet, Path: "/log", Tags: []string{"server"}, Summary: "The latest lines of the server's own log",
		Description: "The server keeps its last 1000 lines.",
	}, by(job.Admin), a.log)
}

func (a *API) log(_ context.Context, in *logLinesIn) (*logLinesOut, error) {
	out := &logLinesOut{}
	out.Body.Lines = a.cfg.Lines.Last(in.Lines)
	return out, nil
}

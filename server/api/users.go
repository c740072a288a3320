package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

type (
	userJSON struct {
		Name    string    `json:"name" example:"ada"`
		Role    job.Role  `json:"role" enum:"viewer,operator,admin" example:"operator"`
		Created time.Time `json:"created"`
	}
	usersOut struct {
		Body struct {
			Users []userJSON `json:"users" doc:"by name"`
		}
	}
	userIn struct {
		Body struct {
			Name     string   `json:"name" doc:"1 to 64 letters, digits, '-', '_' or '.'" example:"ada"`
			Password string   `json:"password" doc:"8 bytes or more"`
			Role     job.Role `json:"role,omitempty" enum:"viewer,operator,admin" default:"viewer"`
		}
	}
	changeIn struct {
		Name string `path:"name"`
		Body struct {
			Password string   `json:"password,omitempty" doc:"a new one ends the user's tokens; left out: stays"`
			Role     job.Role `json:"role,omitempty" enum:"viewer,operator,admin" doc:"left out: stays"`
		}
	}
	namedIn struct {
		Name string `path:"name"`
	}
	tokenIn struct {
		Body struct {
			User  string    `json:"user,omitempty" doc:"whose; left out: yours"`
			Scope job.Scope `json:"scope,omitempty" doc:"metrics, or node:NAME; left out: all that the role may" example:"node:node_0"`
			Hours float64   `json:"hours,omitempty" default:"12" minimum:"0.01" maximum:"8760" doc:"how long it lives"`
		}
	}
	tokenOut struct {
		Body struct {
			User    string    `json:"user"`
			Token   string    `json:"token" doc:"for Authorization: Bearer; shown once"`
			Scope   job.Scope `json:"scope"`
			Expires time.Time `json:"expires"`
		}
	}
)

// addUsers declares what admins do with accounts.
func (a *API) addUsers() {
	tag := []string{"accounts"}
	register(a, huma.Operation{OperationID: "users", Method: http.MethodGet, Path: "/users", Tags: tag, Summary: "List the users"}, by(job.Admin), a.users)
	register(a, huma.Operation{
		OperationID: "add-user", Method: http.MethodPost, Path: "/users", Tags: tag, Summary: "Make a user", DefaultStatus: http.StatusCreated,
	}, by(job.Admin), a.addUser)
	register(a, huma.Operation{
		OperationID: "change-user", Method: http.MethodPatch, Path: "/users/{name}", Tags: tag, Summary: "Change a user's role or password",
	}, by(job.Admin), a.changeUser)
	register(a, huma.Operation{
		OperationID: "remove-user", Method: http.MethodDelete, Path: "/users/{name}", Tags: tag, Summary: "Remove a user and all tokens of theirs",
	}, by(job.Admin), a.removeUser)
	register(a, huma.Operation{
		OperationID: "issue-token", Method: http.MethodPost, Path: "/tokens", Tags: tag, DefaultStatus: http.StatusCreated,
		Summary:     "Make a token with a scope",
		Description: "For what collects metrics, or for a node, which may only fetch and deliver the images of tasks that it has.",
	}, by(job.Admin), a.issueToken)
}

func (a *API) users(ctx context.Context, _ *struct{}) (*usersOut, error) {
	all, err := a.cfg.Accounts.Users(ctx)
	if err != nil {
		return nil, err
	}
	out := &usersOut{}
	out.Body.Users = make([]userJSON, len(all))
	for i, u := range all {
		out.Body.Users[i] = userJSON{u.Name, u.Role, u.Created}
	}
	return out, nil
}

func (a *API) addUser(ctx context.Context, in *userIn) (*struct{}, error) {
	return nil, a.cfg.Accounts.Add(ctx, in.Body.Name, in.Body.Password, in.Body.Role)
}

func (a *API) changeUser(ctx context.Context, in *changeIn) (*struct{}, error) {
	return nil, a.cfg.Accounts.Set(ctx, in.Name, in.Body.Password, in.Body.Role)
}

func (a *API) removeUser(ctx context.Context, in *namedIn) (*struct{}, error) {
	if err := a.cfg.Accounts.Remove(ctx, in.Name); err != nil {
		return nil, err
	}
	a.userLeft(in.Name)
	return nil, nil
}

func (a *API) issueToken(ctx context.Context, in *tokenIn) (*tokenOut, error) {
	user := in.Body.User
	if user == "" {
		user = principal(ctx).User
	}
	token, t, err := a.cfg.Accounts.Issue(ctx, user, in.Body.Scope, time.Duration(in.Body.Hours*float64(time.Hour)))
	if err != nil {
		return nil, err
	}
	out := &tokenOut{}
	out.Body.User, out.Body.Token, out.Body.Scope, out.Body.Expires = t.User, token, t.Scope, t.Expires
	return out, nil
}

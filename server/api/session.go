package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// credentials are what a login may send as JSON or as a form, instead of HTTP Basic.
type credentials struct {
	Username string `json:"username" doc:"the user's name"`
	Password string `json:"password" doc:"the user's password"`
}

// session is the answer to a login.
type session struct {
	User  string `json:"user" doc:"the user's name" example:"ada"`
	Token string `json:"token" doc:"for Authorization: Bearer; shown once" example:"spw_2DXQ…"`
}

// farewell is the answer to a logout.
type farewell struct {
	Message string `json:"logout_message" doc:"that the token is dead" example:"ada is logged out"`
}

// smallBody bounds the bodies of calls that take no files, in bytes.
const smallBody = 64 << 10

// addSessions declares logging in and out.
func (a *API) addSessions() {
	a.stream(huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/login", Tags: []string{"accounts"},
		Summary: "Log in", Description: "Name and password as HTTP Basic, as JSON, or as a form. The same answer tells of a wrong name and of a wrong password.",
		Security: []map[string][]string{{basic: {}}, {}},
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{
			"application/json":                  {Schema: schema[credentials](a)},
			"application/x-www-form-urlencoded": {Schema: schema[credentials](a)},
		}},
		Responses: a.answers(answer[session](a, http.StatusOK, "Logged in"), http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests),
	}, anybody, a.login)
	a.stream(huma.Operation{
		OperationID: "logout", Method: http.MethodDelete, Path: "/logout", Tags: []string{"accounts"},
		Summary:   "End the token that the call is made with",
		Responses: a.answers(answer[farewell](a, http.StatusOK, "Logged out"), http.StatusUnauthorized),
	}, access{role: job.Viewer, scopes: []string{string(job.MetricsScope), nodeScope}}, a.logout)
}

func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	name, password, err := loginOf(w, r)
	if err != nil {
		return err
	}
	v := visitOf(r.Context())
	v.user = name
	token, t, err := a.cfg.Accounts.Login(r.Context(), name, password, v.from.String())
	a.tellLogin(err)
	if err != nil {
		return err
	}
	return write(w, session{User: t.User, Token: token})
}

// loginOf reads name and password from wherever they stand.
// Errors: Unauthenticated (there are none), InvalidArgument.
func loginOf(w http.ResponseWriter, r *http.Request) (name, password string, err error) {
	if name, password, ok := r.BasicAuth(); ok {
		return name, password, nil
	}
	const hint = "send name and password as HTTP Basic, or as JSON or a form with username and password"
	missing := job.E(job.Unauthenticated, "login", errors.New("there is no name and password"), hint)
	if r.Header.Get("Authorization") != "" {
		return "", "", job.E(job.Unauthenticated, "login", errors.New("the Authorization header is not HTTP Basic"), hint)
	}
	in := bufio.NewReader(http.MaxBytesReader(w, r.Body, smallBody))
	r.Body = io.NopCloser(in)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if first, err := in.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return "", "", unreadable("login", err)
	} else if string(first) == "{" {
		kind = "application/json" // whatever curl -d calls it
	}
	var c credentials
	switch kind {
	case "application/x-www-form-urlencoded", "multipart/form-data":
		if err := errors.Join(r.ParseForm(), multipartForm(r, kind)); err != nil {
			return "", "", unreadable("login", err)
		}
		c = credentials{r.PostForm.Get("username"), r.PostForm.Get("password")}
	default:
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil && !errors.Is(err, io.EOF) {
			return "", "", unreadable("login", err)
		}
	}
	if c.Username == "" || c.Password == "" {
		return "", "", missing
	}
	return c.Username, c.Password, nil
}

// multipartForm reads a form with parts, if kind says that the body is one.
func multipartForm(r *http.Request, kind string) error {
	if kind != "multipart/form-data" {
		return nil
	}
	return r.ParseMultipartForm(smallBody)
}

func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	token, err := tokenOf(r)
	if err != nil {
		return err
	}
	if err := a.cfg.Accounts.Logout(r.Context(), token); err != nil {
		return err
	}
	return write(w, farewell{Message: principal(r.Context()).User + " is logged out"})
}

// unreadable is the error for a body that is not what it should be.
func unreadable(op string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return newProblem(http.StatusRequestTimeout, job.DeadlineExceeded, "the body comes too slowly", "send it again, faster")
	}
	if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, job.InvalidArgument, fmt.Sprintf("the body has more than %d bytes", long.Limit), "send less")
	}
	return job.E(job.InvalidArgument, op, errors.New("the body cannot be read"), "GET /docs says what the call takes")
}

// write answers with JSON.
func write(w http.ResponseWriter, body any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the caller has left: there is nobody to tell
	return nil
}

// schema describes a T in the API's description.
func schema[T any](a *API) *huma.Schema {
	t := reflect.TypeFor[T]()
	return a.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// described is one answer of a call, in its description.
type described struct {
	status   int
	response *huma.Response
}

// answer describes an answer with a T as JSON.
func answer[T any](a *API, status int, words string) described {
	return described{status, &huma.Response{Description: words, Content: map[string]*huma.MediaType{"application/json": {Schema: schema[T](a)}}}}
}

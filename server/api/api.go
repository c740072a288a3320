// Package api is the server's face over HTTP: JSON calls for scripts, other
// languages and the web page, beside Thrift and over the same [job.Service].
//
// Every call is declared with what it takes and gives, and who may make it; the
// description at /openapi.json is made of these declarations. A call that declares
// no role is the admin's alone.
package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"spillway/job"
	"spillway/server/files"
	"spillway/trace"
)

// Nodes is what is known of the compute nodes, and what can be done with them.
type Nodes interface {
	// Nodes are all, in order of name. Errors: Unavailable.
	Nodes(ctx context.Context) ([]job.Node, error)
	// Drain lets a node finish what it has and sends it nothing new; with false it
	// takes work again. Errors: NotFound.
	Drain(ctx context.Context, node job.NodeID, on bool) error
	// NodeLog is the last lines of a node's log, oldest first. Errors: NotFound,
	// Unimplemented, Unavailable.
	NodeLog(ctx context.Context, node job.NodeID, lines int) ([]string, error)
}

// Accounts tells who makes a call, and looks after users.
type Accounts interface {
	// Principal is whose token it is. Errors: Unauthenticated (unknown or expired,
	// without telling which), Unavailable.
	Principal(ctx context.Context, token string) (job.Principal, error)
	// Login checks name and password and makes a token. Errors: Unauthenticated,
	// ResourceExhausted (too many tries), Unavailable.
	Login(ctx context.Context, name, password, from string) (string, job.Token, error)
	// Logout ends a token. Errors: Unauthenticated, Unavailable.
	Logout(ctx context.Context, token string) error
	// Issue makes a token of a user with a scope. Errors: InvalidArgument, NotFound,
	// Unavailable.
	Issue(ctx context.Context, user string, scope job.Scope, life time.Duration) (string, job.Token, error)
	// Users are all, by name. Errors: Unavailable.
	Users(ctx context.Context) ([]job.User, error)
	// Add makes a user. Errors: InvalidArgument, AlreadyExists, Unavailable.
	Add(ctx context.Context, name, password string, role job.Role) error
	// Set changes a user's role, password, or both; "" leaves it. Errors:
	// InvalidArgument, NotFound, FailedPrecondition, Unavailable.
	Set(ctx context.Context, name, password string, role job.Role) error
	// Remove forgets a user. Errors: NotFound, FailedPrecondition, Unavailable.
	Remove(ctx context.Context, name string) error
}

// Config of the API. Service, Nodes, Accounts and Log must be there.
type Config struct {
	Service  job.Service
	Nodes    Nodes
	Accounts Accounts
	Log      *slog.Logger
	// Reach connects to a node's own files. nil: the calls for them are not offered.
	Reach func(job.Node) NodeSpace
	// Policy is the policy of jobs that name none, for who asks.
	Policy string
	// Music takes songs apart. nil: the calls for it are not offered.
	Music Music
	// Workloads filters images as they come. nil: the calls for it are not offered.
	Workloads Workloads
	// Audit gets a line for every call that may change something: who, what, from
	// where, and how it ended. Default: Log.
	Audit *slog.Logger
	// Ready tells that jobs are taken. Default: they are.
	Ready func() bool
	// Files are the folders that users upload to. Default: none, and no calls for them.
	Files *files.Store
	// Requests bounds the calls that are answered at once; one more takes the place of
	// one whose peer is slow, or is told to come again. Streams of events do not count.
	// Default 512.
	Requests int
	// Conns bounds the connections that are open at once; one more closes an idle one.
	// Default: a fourth of the descriptors that the process may have, up to 4096.
	Conns int
	// Grace is how long calls that are being answered may take once the server stops.
	// Default, and at most, 5 s.
	Grace time.Duration
	// TLS makes it HTTPS, over HTTP/1.1 and HTTP/2. nil: HTTP.
	TLS *tls.Config
	// Metrics answers GET /metrics. Default: there is no such call.
	Metrics http.Handler
	// Observer hears of calls, to count them. Default: nobody does.
	Observer Observer
	// Lines has the latest of the server's own log. nil: the calls for it are not offered.
	Lines *LogRing
	// Listeners bounds the streams of events that are open at once; one user may have
	// 11 of 20 of them. Default 2000.
	Listeners int
	// Tracer makes a span of each call. Default: there are none.
	Tracer *trace.Tracer
}

// API answers HTTP requests.
type API struct {
	cfg     Config
	huma    huma.API
	mux     *http.ServeMux
	rules   map[string]access // who may make which call, by its pattern
	places  *places
	once    *once
	events  *hub
	seats   *seats
	handler http.Handler
	// stopping is closed when the server stops: streams end then.
	stopping chan struct{}
}

// New makes the API. It starts nothing.
func New(cfg Config) *API {
	if cfg.Ready == nil {
		cfg.Ready = func() bool { return true }
	}
	if cfg.Audit == nil {
		cfg.Audit = cfg.Log
	}
	if cfg.Requests == 0 {
		cfg.Requests = 512
	}
	if cfg.Conns == 0 {
		cfg.Conns = connsDefault()
	}
	cfg.Grace = min(cmp.Or(cfg.Grace, lastWords), lastWords)
	a := &API{
		cfg: cfg, mux: http.NewServeMux(), rules: map[string]access{}, places: newPlaces(cfg.Requests), once: newOnce(),
		stopping: make(chan struct{}),
	}
	a.huma = humago.New(a.mux, description())
	a.addSystem()
	a.addSessions()
	a.addUsers()
	a.addJobs()
	a.addNodes()
	a.addLog()
	a.addNodeFiles()
	a.addMusic()
	a.addMetrics()
	a.addWorkloads()
	a.addFiles()
	a.addUploads()
	a.addEvents()
	a.addDescription()
	a.handler = a.chain(a.mux)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// description is the OpenAPI document before any call is declared.
func description() huma.Config {
	c := huma.DefaultConfig("Spillway", "1")
	c.Info.Description = "Spillway processes directories of pictures, videos and songs on a pool of compute nodes. " +
		"POST /login gives a token, which all other calls take as Authorization: Bearer."
	// Pages of our own, made once; and no $schema in bodies.
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	// curl -d says that of whatever it sends; what is no JSON is told apart all the same.
	c.Formats = maps.Clone(c.Formats) // the library's own, of all that use it
	c.Formats["application/x-www-form-urlencoded"] = huma.DefaultJSONFormat
	c.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[ProblemError]())
	c.Transformers = append(c.Transformers, asProblem)
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", Description: "the token of POST /login"},
		basic:  {Type: "http", Scheme: "basic", Description: "name and password, for POST /login"},
	}
	return c
}

// The names of the security schemes in the description.
const (
	bearer = "bearer"
	basic  = "basic"
)

// access says who may make a call.
type access struct {
	role job.Role // "": anybody, without a token
	// scopes are those whose tokens may make it, too; "node" for those of nodes. What
	// they may see of it is the handler's to check.
	scopes []string
}

// anybody may make a call without a token.
var anybody = access{}

// by lets those with the role make a call.
func by(role job.Role) access { return access{role: role} }

// register declares a call whose input and output are typed.
func register[I, O any](a *API, op huma.Operation, who access, handle func(context.Context, *I) (*O, error)) {
	a.declare(&op, who)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return out, nil
	})
}

// stream declares a call that reads or writes bodies by itself. op describes what
// passes. An error that handle returns is answered unless it has begun to answer.
func (a *API) stream(op huma.Operation, who access, handle func(w http.ResponseWriter, r *http.Request) error) {
	a.declare(&op, who)
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	if op.Responses["default"] == nil {
		op.Responses["default"] = &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{problemType: {Schema: schema[ProblemError](a)}}}
	}
	if !op.Hidden {
		a.huma.OpenAPI().AddOperation(&op)
	}
	a.huma.Adapter().Handle(&op, a.huma.Middlewares().Handler(func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		if err := handle(w, r); err != nil {
			a.fail(r.Context(), err).write(w)
		}
	}))
}

// declare tells the guard and the description who may make a call.
func (a *API) declare(op *huma.Operation, who access) {
	a.allow(op.Method+" "+op.Path, who)
	if keyed(op.Method + " " + op.Path) {
		op.Parameters = append(op.Parameters, keyParam())
	}
	if who.role == "" {
		return
	}
	if op.Security == nil {
		op.Security = []map[string][]string{{bearer: {}}}
	}
	op.Description += "\n\nFor the role " + string(who.role) + " or above."
}

// fail is what the caller is told of err; the log gets what the caller does not.
func (a *API) fail(ctx context.Context, err error) *ProblemError {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		level := slog.LevelError
		if p.Code != string(job.Internal) {
			level = slog.LevelWarn // it passes by itself, as a start does
		}
		a.cfg.Log.Log(ctx, level, "call failed", "call", visitOf(ctx).pattern, "request", requestID(ctx), "err", err)
	}
	return p
}

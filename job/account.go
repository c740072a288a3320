package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Role says what a user of the HTTP API may do. Each may what those before it may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // looks at everything, and fetches files
	Operator Role = "operator" // submits, uploads, cancels, deletes, drains
	Admin    Role = "admin"    // looks after users and the server itself
)

// Roles are all, from the one that may least.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// Check reports a role that there is not. Errors: InvalidArgument.
func (r Role) Check() error {
	if slices.Contains(Roles(), r) {
		return nil
	}
	return E(InvalidArgument, "role", fmt.Errorf("%.80q is no role", string(r)), "use viewer, operator or admin")
}

// May reports whether r may what needed may. A role that there is not may nothing.
func (r Role) May(needed Role) bool {
	has, needs := slices.Index(Roles(), r), slices.Index(Roles(), needed)
	return needs >= 0 && has >= needs
}

// User is an account of the HTTP API.
type User struct {
	Name string
	Role Role
	// Password is the hash of the password, with what is needed to check it
	// (argon2id, in the PHC string format). Never the password.
	Password string
	Created  time.Time
}

// Scope narrows what a token may, whatever the role of its user.
//
//	""            all that the role may
//	"metrics"     GET /metrics alone
//	"node:NAME"   fetching and delivering the images of tasks that node NAME has
type Scope string

// MetricsScope is that of a token for what collects metrics.
const MetricsScope Scope = "metrics"

// nodeScope begins the scope of a node's token.
const nodeScope = "node:"

// NodeScope is the scope of a token of a node.
func NodeScope(n NodeID) Scope { return Scope(nodeScope + string(n)) }

// Node is the node whose scope it is, if it is a node's.
func (s Scope) Node() (NodeID, bool) {
	name, ok := strings.CutPrefix(string(s), nodeScope)
	return NodeID(name), ok && name != ""
}

// Check reports a scope that there is not. Errors: InvalidArgument.
func (s Scope) Check() error {
	if s == "" || s == MetricsScope {
		return nil
	}
	if node, ok := s.Node(); ok && ID(node).Check() == nil {
		return nil
	}
	return E(InvalidArgument, "scope", errors.New(Shown(fmt.Sprintf("%.80q is no scope", string(s)))), "use metrics, node:NAME, or leave it out")
}

// Token is what a user shows instead of name and password. The token itself is
// kept by its holder alone.
type Token struct {
	// Hash is the SHA-256 of the token.
	Hash    [32]byte
	User    string
	Scope   Scope
	Created time.Time
	Expires time.Time
}

// Principal is who makes a call, as their token tells.
type Principal struct {
	User  string
	Role  Role
	Scope Scope
}

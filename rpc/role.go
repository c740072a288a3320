package rpc

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"spillway/job"
)

// Role is what a certificate lets its owner be. It stands in the certificate as a
// URI among the subject's alternative names: spillway:server, spillway:client, or
// spillway:node/NAME, where NAME may be * for a machine that runs several nodes. A
// certificate may have more than one.
type Role string

// The roles that have no name: a server sends tasks to nodes, a client submits jobs.
const (
	ServerRole Role = "server"
	ClientRole Role = "client"
)

// NodeRole is the node of that name, and no other.
func NodeRole(name job.NodeID) Role { return nodePrefix + Role(name) }

const (
	nodePrefix Role = "node/"
	anyNode         = nodePrefix + "*"
	roleScheme      = "spillway"
)

// String is the role as people read it, such as "the node node_0".
func (r Role) String() string {
	if name, ok := strings.CutPrefix(string(r), string(nodePrefix)); ok {
		return "the node " + name
	}
	return "a " + string(r)
}

// rolesOf are the roles of a certificate, as they stand there.
func rolesOf(cert *x509.Certificate) []Role {
	var all []Role
	for _, uri := range cert.URIs {
		if uri.Scheme == roleScheme && uri.Opaque != "" {
			all = append(all, Role(uri.Opaque))
		}
	}
	return all
}

// bears tells whether a certificate has the role.
func bears(cert *x509.Certificate, want Role) bool {
	isNode := strings.HasPrefix(string(want), string(nodePrefix))
	return slices.ContainsFunc(rolesOf(cert), func(r Role) bool { return r == want || isNode && r == anyNode })
}

// isSomeNode tells whether a certificate is of a node, whatever its name.
func isSomeNode(cert *x509.Certificate) bool {
	return slices.ContainsFunc(rolesOf(cert), func(r Role) bool { return strings.HasPrefix(string(r), string(nodePrefix)) })
}

// roleError is why a certificate will not do, with the mend; the code is the
// caller's.
func roleError(code job.Code, op string, cert *x509.Certificate, want string, uri Role) error {
	return job.E(code, op, fmt.Errorf("the certificate is for %s, not for %s", shownRoles(cert), want),
		fmt.Sprintf("use one that has the URI %s:%s, as tools/certs makes; or start every program with --tls-roles=off, where each may do everything", roleScheme, string(uri)))
}

// shownRoles lists the roles of a certificate, which a stranger may have written.
func shownRoles(cert *x509.Certificate) string {
	var all []string
	for _, r := range rolesOf(cert) {
		all = append(all, r.String())
	}
	if len(all) == 0 {
		return "no role"
	}
	return job.Shown(fmt.Sprintf("%.200s", strings.Join(all, ", ")))
}

// errNoCertificate is of a connection that should not exist.
var errNoCertificate = errors.New("the peer showed no certificate")

// checkPeer tells whether the one that was dialled is who it should be.
func (c *Credentials) checkPeer(shown []*x509.Certificate) error {
	switch {
	case c.anyRole || c.peer == "":
		return nil
	case len(shown) == 0:
		return errNoCertificate
	case !bears(shown[0], c.peer):
		return roleError(job.Unavailable, "", shown[0], c.peer.String(), c.peer)
	}
	return nil
}

// expecting is c for connections to a peer with that role; nil stays nil.
func (c *Credentials) expecting(peer Role) *Credentials {
	if c == nil {
		return nil
	}
	narrow := *c
	narrow.peer = peer
	return &narrow
}

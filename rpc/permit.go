package rpc

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/job"
	"spillway/rpc/mux"
)

// callerKind says whose certificate a call wants.
type callerKind int

const (
	anyone callerKind = iota
	onlyClients
	onlyNodes // each for itself: see mayRegister
	onlyServers
	onlyCallers // servers and clients
)

// permits says who may make the calls of a service. What it does not name is for
// the callers that the service is for, so that a new call is never open to all.
type permits struct {
	others callerKind
	named  map[string]callerKind
	// failure is the number of the exception Failure in an answer, where it is
	// declared; 0: the call has none, and its caller is told in words.
	failure func(method string) int16
}

// serverPermits are those of a server: what a client sees and does is not for nodes.
func serverPermits() permits {
	return permits{
		others: onlyClients,
		named:  map[string]callerKind{"ping": anyone, "register_node": onlyNodes},
		failure: func(method string) int16 {
			if method == "ping" {
				return 0
			}
			return 1
		},
	}
}

// nodePermits are those of a node, which does tasks for servers alone. Its own files
// are for clients, too.
func nodePermits() permits {
	p := permits{others: onlyServers, named: map[string]callerKind{"ping": anyone}}
	failures := map[string]int16{"run": 2, "serve_content": 1}
	for _, method := range []string{
		"put_file", "put_offset", "get_file", "list_files", "delete_file", "delete_all_files",
		"view_job", "video_metadata", "extract_images", "create_video", "detect_face", "draw_mesh",
	} {
		p.named[method], failures[method] = onlyCallers, 1
	}
	p.failure = func(method string) int16 { return failures[method] }
	return p
}

// rule tells who may call method.
func (p permits) rule(method string) callerKind {
	if kind, ok := p.named[method]; ok {
		return kind
	}
	return p.others
}

// check says why the owner of a certificate may not call method.
func (p permits) check(method string, cert *x509.Certificate) error {
	switch kind := p.rule(method); {
	case kind == onlyClients && !bears(cert, ClientRole):
		return roleError(job.PermissionDenied, method, cert, ClientRole.String(), ClientRole)
	case kind == onlyServers && !bears(cert, ServerRole):
		return roleError(job.PermissionDenied, method, cert, ServerRole.String(), ServerRole)
	case kind == onlyCallers && !bears(cert, ServerRole) && !bears(cert, ClientRole):
		return roleError(job.PermissionDenied, method, cert, "a server or a client", ClientRole)
	case kind == onlyNodes && !isSomeNode(cert):
		return roleError(job.PermissionDenied, method, cert, "a node", NodeRole("NAME"))
	}
	return nil
}

// guard lets p answer only those who may call, where callers show certificates;
// where they do not, the listener has no TLS.
func (p permits) guard(inner thrift.TProcessor, log *slog.Logger) thrift.TProcessor {
	return thrift.WrapProcessor(inner, func(method string, next thrift.TProcessorFunction) thrift.TProcessorFunction {
		return thrift.WrappedTProcessorFunction{
			Wrapped: func(ctx context.Context, seq int32, in, out thrift.TProtocol) (bool, thrift.TException) {
				cert := mux.PeerCertificate(ctx)
				if cert == nil {
					return next.Process(ctx, seq, in, out)
				}
				err := p.check(method, cert)
				if err == nil {
					return next.Process(context.WithValue(ctx, certKey{}, cert), seq, in, out)
				}
				log.Warn("call refused", "peer", mux.Peer(ctx), "method", method, "err", err)
				return p.refuse(ctx, message{method, seq, in, out}, err)
			},
		}
	})
}

// message is one call as the layer below hands it over.
type message struct {
	method  string
	seq     int32
	in, out thrift.TProtocol
}

// refuse answers a call that is not done.
func (p permits) refuse(ctx context.Context, m message, why error) (bool, thrift.TException) {
	if err := m.in.Skip(ctx, thrift.STRUCT); err != nil {
		return false, thrift.WrapTException(err)
	}
	if err := m.in.ReadMessageEnd(ctx); err != nil {
		return false, thrift.WrapTException(err)
	}
	field := p.failure(m.method)
	if field == 0 {
		return false, thrift.WrapTException(told(why))
	}
	// Writing to memory cannot fail.
	_ = m.out.WriteMessageBegin(ctx, m.method, thrift.REPLY, m.seq)
	_ = m.out.WriteStructBegin(ctx, m.method+"_result")
	_ = m.out.WriteFieldBegin(ctx, "failure", thrift.STRUCT, field)
	_ = failureToWire(why).Write(ctx, m.out)
	_ = m.out.WriteFieldEnd(ctx)
	_ = m.out.WriteFieldStop(ctx)
	_ = m.out.WriteStructEnd(ctx)
	_ = m.out.WriteMessageEnd(ctx)
	return true, thrift.WrapTException(m.out.Flush(ctx))
}

// certKey is where the context of a call that is guarded has its certificate.
type certKey struct{}

// mayRegister says why the caller may not speak for the node of that name.
func mayRegister(ctx context.Context, name job.NodeID) error {
	cert, guarded := ctx.Value(certKey{}).(*x509.Certificate)
	if !guarded || bears(cert, NodeRole(name)) {
		return nil
	}
	return roleError(job.PermissionDenied, "register "+string(name), cert, NodeRole(name).String(), NodeRole(name))
}

// unguarded tells that every certificate may do everything on l.
func unguarded(l net.Listener) bool {
	own, ok := l.(*Listener)
	return ok && own.anyRole
}

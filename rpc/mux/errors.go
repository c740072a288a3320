package mux

import (
	"errors"

	"github.com/apache/thrift/lib/go/thrift"
)

// Why a handler's context ends before its call does; its cause is one of them.
var (
	// ErrCallerGone tells that the caller closed its connection or gave the
	// call up.
	ErrCallerGone = errors.New("the caller is gone")
	// ErrStopping tells that the server's time of grace is over.
	ErrStopping = errors.New("the server is stopping")
)

// ErrClosed tells that this end was closed.
var ErrClosed = errors.New("the connection pool is closed")

// ErrTLSPeer tells of a peer that speaks TLS to a plain connection.
var ErrTLSPeer = errors.New("the peer speaks TLS, this end plain Thrift")

// CallError tells that a call ended without an answer that can be used.
type CallError struct {
	Method string
	Unsent bool // no byte of the call left this process: it may be done again elsewhere
	Err    error
}

func (e *CallError) Error() string { return e.Method + ": " + e.Err.Error() }

func (e *CallError) Unwrap() error { return e.Err }

// AnswerError is a handler's error that the caller sees as it is, in an exception
// that every Thrift client understands. The generated code hands it through
// untouched because it passes for thrift.ErrAbandonRequest.
type AnswerError struct{ Text string }

func (e *AnswerError) Error() string { return e.Text }

// Is makes the generated code leave the answer to the server.
func (e *AnswerError) Is(target error) bool { return target == thrift.ErrAbandonRequest }

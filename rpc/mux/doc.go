// Package mux carries many Thrift calls at once on one connection, on Apache
// Thrift's wire formats and under its generated code.
//
// A [Server] tells the dialect of each message by its first bytes (framed or
// not, binary or compact, or THeader), reads it whole into memory that grows
// only with the bytes that came, and runs the generated processor over it, a
// goroutine a call. A [Pool] is the other end: a thrift.TClient over a few
// connections to one peer that many goroutines share.
//
// A peer announces that it answers many calls at once in a byte of the strict
// binary header that Apache's specification calls unused and ignored: the
// pool's first call on a connection is an unframed ping that carries the mark,
// and a server of this package answers it with the mark. From then on calls go
// framed, told apart by their sequence ids and answered in any order. Any other
// peer gets one call at a time a connection, in its own dialect.
//
// Between marked peers two oneway messages control calls: $cancel, with the
// sequence id of a call that is given up, and $goaway, with which a server that
// stops asks for no more calls on a connection.
package mux

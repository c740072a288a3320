package mux

import (
	"bytes"
	"fmt"
)

// Dialect is an envelope and a protocol of Thrift's. The zero value: find out.
type Dialect uint8

// The dialects that both ends speak. The binary protocol is read with and
// without its version word (strict and not), and written with it.
const (
	UnframedBinary Dialect = iota + 1
	FramedBinary
	UnframedCompact
	FramedCompact
	HeaderBinary // THeader around the binary protocol
	HeaderCompact
)

var dialectNames = [...]string{
	"unknown dialect", "unframed binary", "framed binary",
	"unframed compact", "framed compact", "THeader binary", "THeader compact",
}

// String is the dialect in words.
func (d Dialect) String() string {
	if int(d) < len(dialectNames) {
		return dialectNames[d]
	}
	return dialectNames[0]
}

// compact tells the compact protocol from the binary one.
func (d Dialect) compact() bool {
	return d == UnframedCompact || d == FramedCompact || d == HeaderCompact
}

// prefix is how many bytes stand before the bare message in what is written.
func (d Dialect) prefix() int {
	switch d {
	case FramedBinary, FramedCompact:
		return lengthWord
	case HeaderBinary, HeaderCompact:
		return lengthWord + plainHeader
	}
	return 0
}

// foreigners are the first bytes of protocols that meet Thrift ports by mistake.
var foreigners = []struct{ first, what string }{
	{"GET ", "an HTTP request"},
	{"HEAD", "an HTTP request"},
	{"POST", "an HTTP request"},
	{"PUT ", "an HTTP request"},
	{"DELE", "an HTTP request"},
	{"OPTI", "an HTTP request"},
	{"PATC", "an HTTP request"},
	{"CONN", "an HTTP request"},
	{"TRAC", "an HTTP request"},
	{"PRI ", "an HTTP/2 request"},
	{"HTTP", "an HTTP answer"},
	{"SSH-", "an SSH greeting"},
	{"\x16\x03", "a TLS handshake; this port speaks plain Thrift"},
	{tlsAlert, "a TLS alert"},
}

// foreigner names the protocol that begins so; "": unknown.
func foreigner(b []byte) string {
	for _, f := range foreigners {
		if bytes.HasPrefix(b, []byte(f.first)) {
			return f.what
		}
	}
	return ""
}

// tlsAlert begins what a peer says that wanted a TLS handshake.
const tlsAlert = "\x15\x03"

// foreign is the errNotThrift for these first bytes.
func foreign(b []byte) error {
	if bytes.HasPrefix(b, []byte(tlsAlert)) {
		return fmt.Errorf("%w: %w", errNotThrift, ErrTLSPeer)
	}
	if what := foreigner(b); what != "" {
		return fmt.Errorf("%w: %s", errNotThrift, what)
	}
	return fmt.Errorf("%w: it begins with % x", errNotThrift, b[:min(len(b), 8)])
}

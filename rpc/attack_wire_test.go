package rpc_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/thrift/lib/go/thrift"
)

// envelope is what stands around a bare message.
type envelope int

const (
	unframed envelope = iota
	framed
	inHeader
	inZlib // THeader, compressed
)

// wire is one of the languages in which a server can be attacked. Its messages
// are made by hand, so that they may lie.
type wire struct {
	name     string
	envelope envelope
	compact  bool
	loose    bool // binary without a version
}

var wires = []wire{
	{name: "unframed binary"},
	{name: "unframed loose binary", loose: true},
	{name: "unframed compact", compact: true},
	{name: "framed binary", envelope: framed},
	{name: "framed loose binary", envelope: framed, loose: true},
	{name: "framed compact", envelope: framed, compact: true},
	{name: "THeader binary", envelope: inHeader},
	{name: "THeader compact", envelope: inHeader, compact: true},
	{name: "THeader zlib", envelope: inZlib},
}

// strict tells the dialects that can carry the mark.
func (w wire) strict() bool { return !w.compact && !w.loose && w.envelope <= framed }

// head is the header of a message.
type head struct {
	method string
	kind   thrift.TMessageType
	seq    int32
	mark   byte
}

const theMark = 'M'

func call(method string) head { return head{method: method, kind: thrift.CALL, seq: 1} }

// bare is a message without an envelope; body begins with the first field.
func (w wire) bare(h head, body []byte) []byte {
	var b []byte
	switch {
	case w.compact:
		b = append(b, 0x82, byte(h.kind)<<5|1)
		b = binary.AppendUvarint(b, uint64(uint32(h.seq)))
		b = binary.AppendUvarint(b, uint64(len(h.method)))
		b = append(b, h.method...)
	case w.loose:
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.method)))
		b = append(b, h.method...)
		b = append(b, byte(h.kind))
		b = binary.BigEndian.AppendUint32(b, uint32(h.seq))
	default:
		b = append(b, 0x80, 1, h.mark, byte(h.kind))
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.method)))
		b = append(b, h.method...)
		b = binary.BigEndian.AppendUint32(b, uint32(h.seq))
	}
	return append(b, body...)
}

// message is a whole message, as an honest peer sends it.
func (w wire) message(h head, body []byte) []byte { return w.wrap(w.bare(h, body)) }

func (w wire) wrap(bare []byte) []byte {
	inner := w.inner(bare)
	return w.promise(uint32(len(inner)), inner)
}

// answer is the server's message in answer to one in this dialect: strict and
// without transforms.
func (w wire) answer(h head, body []byte) []byte {
	w.loose = false
	if w.envelope == inZlib {
		w.envelope = inHeader
	}
	return w.wrap(w.bare(h, body))
}

// inner is what stands behind the length word, if there is one.
func (w wire) inner(bare []byte) []byte {
	if w.envelope < inHeader {
		return bare
	}
	protocol, transforms := byte(0), []byte{0, 0, 0}
	if w.compact {
		protocol = 2
	}
	if w.envelope == inZlib {
		transforms = []byte{1, 1, 0}
		bare = squeeze(bare)
	}
	h := append([]byte{0x0f, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, protocol}, transforms...)
	return append(h, bare...)
}

// promise puts a length word of n before inner, unless the dialect has none.
func (w wire) promise(n uint32, inner []byte) []byte {
	if w.envelope == unframed {
		return inner
	}
	return append(binary.BigEndian.AppendUint32(nil, n), inner...)
}

var squeezers = sync.Pool{New: func() any {
	z, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	return z
}}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	z := squeezers.Get().(*zlib.Writer)
	defer squeezers.Put(z)
	z.Reset(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// fields is an honest struct's bytes.
func (w wire) fields(s thrift.TStruct) []byte {
	buf := thrift.NewTMemoryBuffer()
	var p thrift.TProtocol = thrift.NewTBinaryProtocolConf(buf, nil)
	if w.compact {
		p = thrift.NewTCompactProtocolConf(buf, nil)
	}
	ctx := context.Background()
	if err := s.Write(ctx, p); err != nil {
		panic(err)
	}
	_ = p.Flush(ctx)
	return bytes.Clone(buf.Bytes())
}

// These are pieces of a struct, in either protocol.

var compactTypes = map[thrift.TType]byte{
	thrift.BOOL: 1, thrift.BYTE: 3, thrift.I16: 4, thrift.I32: 5, thrift.I64: 6, thrift.DOUBLE: 7,
	thrift.STRING: 8, thrift.LIST: 9, thrift.SET: 10, thrift.MAP: 11, thrift.STRUCT: 12,
}

// field begins field id, which is the first of its struct and at most 15.
func (w wire) field(t thrift.TType, id byte) []byte {
	if w.compact {
		return []byte{id<<4 | compactTypes[t]}
	}
	return []byte{byte(t), 0, id}
}

// length says that a string of n bytes follows.
func (w wire) length(n uint32) []byte {
	if w.compact {
		return binary.AppendUvarint(nil, uint64(n))
	}
	return binary.BigEndian.AppendUint32(nil, n)
}

// list says that n elements of type t follow.
func (w wire) list(t thrift.TType, n uint32) []byte {
	switch {
	case !w.compact:
		return binary.BigEndian.AppendUint32([]byte{byte(t)}, n)
	case n < 15:
		return []byte{byte(n)<<4 | compactTypes[t]}
	}
	return binary.AppendUvarint([]byte{0xf0 | compactTypes[t]}, uint64(n))
}

// dict says that n pairs of keys and values follow.
func (w wire) dict(k, v thrift.TType, n uint32) []byte {
	if w.compact {
		return append(binary.AppendUvarint(nil, uint64(n)), compactTypes[k]<<4|compactTypes[v])
	}
	return binary.BigEndian.AppendUint32([]byte{byte(k), byte(v)}, n)
}

// places are ways to a field of a call of the victim's: one that its generated
// code knows, with its type, and one that it passes over.
type place struct {
	name   string
	method string
	path   func(w wire, t thrift.TType) []byte // to a value of type t
}

// placesFor lists where a value of type t may stand in a call of the victim's.
func placesFor(victim string, t thrift.TType) []place {
	strange := func(w wire, t thrift.TType) []byte { return w.field(t, 15) }
	if victim == nodeVictim {
		return slices.DeleteFunc([]place{
			{"unknown field", "run", strange},
			{"unknown method", "nonsense", strange},
			{"params", "run", func(w wire, t thrift.TType) []byte {
				return slices.Concat(w.field(thrift.STRUCT, 1), w.field(thrift.STRUCT, 6), w.field(t, 2))
			}},
			{"base_path", "run", func(w wire, t thrift.TType) []byte {
				return slices.Concat(w.field(thrift.STRUCT, 1), w.field(t, 4))
			}},
		}, func(p place) bool {
			return p.name == "params" && t != thrift.MAP || p.name == "base_path" && t != thrift.STRING
		})
	}
	known := map[thrift.TType]byte{thrift.STRING: 3, thrift.MAP: 4, thrift.LIST: 5}[t]
	places := []place{{"unknown field", "item", strange}}
	if known > 0 {
		places = append(places, place{fmt.Sprintf("field %d", known), "item", func(w wire, t thrift.TType) []byte {
			return append(w.field(thrift.STRUCT, 1), w.field(t, known)...)
		}})
	}
	return places
}

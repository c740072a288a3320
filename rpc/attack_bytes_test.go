package rpc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/gen-go/echo"
	"spillway/gen-go/spillway"
)

// What follows lists what is sent to a victim in one dialect, a connection each.

func hugeFrames(_ string, w wire) (all [][]byte) {
	if w.envelope == unframed {
		return nil
	}
	inner := w.inner(w.bare(call("ping"), []byte{0}))
	for _, n := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 64<<20 + 1, 16<<20 + 1} {
		all = append(all, w.promise(n, inner), w.promise(n, inner[:1]), w.promise(n, nil))
	}
	return all
}

func hugeNames(_ string, w wire) (all [][]byte) {
	for _, n := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 129} {
		b := []byte{0x82, 0x21, 1}
		switch {
		case w.loose:
			b = nil
		case !w.compact:
			b = []byte{0x80, 1, 0, 1}
		}
		b = append(b, w.length(n)...)
		all = append(all, w.wrap(append(b, "ping and so on"...)))
	}
	return all
}

func hugeStrings(victim string, w wire) (all [][]byte) {
	for _, p := range placesFor(victim, thrift.STRING) {
		for _, n := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 16 << 20} {
			b := slices.Concat(p.path(w, thrift.STRING), w.length(n), make([]byte, 100))
			all = append(all, w.message(call(p.method), b))
		}
	}
	return all
}

func hugeContainers(victim string, w wire) (all [][]byte) {
	add := func(t thrift.TType, opening []byte) {
		for _, p := range placesFor(victim, t) {
			b := slices.Concat(p.path(w, t), opening, make([]byte, 100))
			all = append(all, w.message(call(p.method), b))
		}
	}
	for _, n := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1} {
		for _, element := range []thrift.TType{thrift.BOOL, thrift.I64, thrift.STRING, thrift.STRUCT, thrift.LIST} {
			add(thrift.LIST, w.list(element, n))
			add(thrift.SET, w.list(element, n))
			add(thrift.MAP, w.dict(thrift.STRING, element, n))
		}
	}
	return all
}

func tenMillion(victim string, w wire) (all [][]byte) {
	for _, p := range placesFor(victim, thrift.MAP) {
		b := w.bare(call(p.method), append(p.path(w, thrift.MAP), w.dict(thrift.STRING, thrift.STRING, 10_000_000)...))
		all = append(all, w.wrap(append(b, make([]byte, max(0, 80-len(b)))...)))
	}
	return all
}

// emptyStructs are as many values as there are bytes: in one list, in lists of
// lists, and as fields that nobody knows.
func emptyStructs(victim string, w wire) (all [][]byte) {
	stops := make([]byte, manyBytes)
	for _, p := range placesFor(victim, thrift.LIST) {
		path := p.path(w, thrift.LIST)
		all = append(all,
			w.message(call(p.method), slices.Concat(path, w.list(thrift.STRUCT, manyBytes), stops)),
			w.message(call(p.method), slices.Concat(path, w.list(thrift.STRUCT, 1<<17), stops)))
	}
	const inner = 1000
	one := append(w.list(thrift.STRUCT, inner), make([]byte, inner)...)
	lists := slices.Repeat(one, manyBytes/len(one))
	field := append(w.field(thrift.STRUCT, 15), 0)
	if w.compact {
		field = []byte{compactTypes[thrift.STRUCT], 30, 0} // with the id in a byte of its own
	}
	strange := placesFor(victim, thrift.LIST)[0]
	return append(all,
		w.message(call(strange.method), slices.Concat(strange.path(w, thrift.LIST), w.list(thrift.LIST, manyBytes/inner), lists)),
		w.message(call(strange.method), slices.Repeat(field, manyBytes/len(field))))
}

// nesting opens structs, lists and maps within each other.
func nesting(victim string, w wire) (all [][]byte) {
	for name, level := range map[thrift.TType][]byte{
		thrift.STRUCT: w.field(thrift.STRUCT, 1),
		thrift.LIST:   w.list(thrift.LIST, 1),
		thrift.MAP:    append(w.dict(thrift.BYTE, thrift.MAP, 1), 0),
	} {
		p := placesFor(victim, name)[0]
		// In the frames that are taken, and in some that are not.
		for _, size := range []int{900_000, manyBytes, deepBytes} {
			b := slices.Concat(p.path(w, name), slices.Repeat(level, size/len(level)))
			all = append(all, w.message(call(p.method), b))
		}
	}
	return all
}

// honestCall is one with fields of many kinds.
func honestCall(victim string, w wire) []byte {
	if victim == nodeVictim {
		return w.message(call("run"), w.fields(&spillway.ComputeNodeRunArgs{Task: &spillway.Task{
			Job: "j", Index: 3, Attempt: 1, BasePath: "/data", FileName: "a.jpg", DeadlineMs: 5,
			Operation: &spillway.Operation{Name: "edges", Params: map[string]string{"low": "1", "high": "2"}},
		}}))
	}
	return w.message(call("item"), w.fields(&echo.EchoItemArgs{Item: &echo.Item{
		Name: "name", Number: 5, Data: []byte("data"), Labels: map[string]string{"a": "b"}, Notes: []string{"c"}, Flag: true,
	}}))
}

func truncations(victim string, w wire) (all [][]byte) {
	whole := honestCall(victim, w)
	for n := range whole {
		all = append(all, whole[:n])
	}
	return all
}

func seeded(victim string, w wire) *rand.Rand {
	return rand.New(rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", victim+w.name)))))
}

// randomBytes come bare, in an envelope, and behind the header of a call.
func randomBytes(victim string, w wire) (all [][]byte) {
	rng := seeded(victim, w)
	for range 100 {
		b := make([]byte, rng.IntN(300))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		method := placesFor(victim, thrift.MAP)[0].method
		all = append(all, b, w.wrap(b), w.message(call(method), b))
	}
	return all
}

func mutations(victim string, w wire) (all [][]byte) {
	rng := seeded(victim, w)
	whole := honestCall(victim, w)
	for range 300 {
		b := slices.Clone(whole)
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		all = append(all, b)
	}
	return all
}

// noCalls have every type but that of a call.
func noCalls(_ string, w wire) (all [][]byte) {
	for kind := range thrift.TMessageType(8) { // three bits in the compact protocol
		if kind != thrift.CALL {
			for _, method := range []string{"ping", "run", "echo", ""} {
				all = append(all, w.message(head{method: method, kind: kind, seq: 9}, []byte{0}))
			}
		}
	}
	return all
}

func lyingHeaders(_ string, w wire) (all [][]byte) {
	if w.envelope < inHeader {
		return nil
	}
	body := w.bare(call("ping"), []byte{0})
	for _, headers := range [][]byte{
		{0xff, 0xff, 0, 0, 0, 0},       // longer than the frame
		{0, 0},                         // none
		{0, 1, 0xff, 0xff, 0xff, 0xff}, // a number without an end
		{0, 2, 0, 0xff, 0xff, 0xff, 0x7f, 1, 1, 1}, // many transforms
		{0, 1, 0, 2, 1, 1},                         // inflated twice
		{0, 1, 0, 1, 9, 0},                         // an unknown one
		{0, 1, 7, 0, 0, 0},                         // an unknown protocol
		{0, 3, 0, 0, 1, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0}, // a key of 256 MB
	} {
		inner := slices.Concat([]byte{0x0f, 0xff, 0, 0, 0, 0, 0, 1}, headers, body)
		all = append(all, w.promise(uint32(len(inner)), inner))
	}
	return all
}

// bombs are small, and inflate to more than is taken.
func bombs(victim string, w wire) [][]byte {
	if w.envelope != inZlib {
		return nil
	}
	p := placesFor(victim, thrift.STRING)[0]
	return [][]byte{
		w.message(call(p.method), slices.Concat(p.path(w, thrift.STRING), w.length(bombBytes), make([]byte, bombBytes))),
		w.message(call("ping"), make([]byte, bombBytes)),
		w.message(call(p.method), slices.Concat(p.path(w, thrift.LIST), w.list(thrift.STRUCT, 15<<20), make([]byte, 15<<20))),
	}
}

package rpc_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/gen-go/spillway"
)

// peakLimit is the most memory that an attack may make a server take, unless
// its rows say otherwise.
const peakLimit = 100_000_000

// assault is something that strangers send.
type assault struct {
	name   string
	copies int  // of each message, on connections of their own; 0: one
	apart  bool // one message after another, since each is large
	// sends lists what goes over one connection each; nothing where the dialect
	// has no such thing.
	sends func(victim string, w wire) [][]byte
}

var assaults = []assault{
	{name: "frames of 2 and 4 GB", sends: hugeFrames},
	{name: "names of 2 and 4 GB", sends: hugeNames},
	{name: "strings of 2 and 4 GB", sends: hugeStrings},
	{name: "lists, sets and maps of 2 and 4 billion", sends: hugeContainers},
	{name: "ten million pairs in 80 bytes", copies: 10, sends: tenMillion},
	{name: "15 MB of empty structs", apart: true, sends: emptyStructs},
	{name: "64 MB of nesting", apart: true, sends: nesting},
	{name: "truncations at every byte", sends: truncations},
	{name: "random bytes", sends: randomBytes},
	{name: "random changes to a call", sends: mutations},
	{name: "answers and types that are none", sends: noCalls},
	{name: "lying THeaders", sends: lyingHeaders},
	{name: "bombs", copies: 10, sends: bombs},
}

// TestAttack_BytesHurtNobody sends what breaks rules, in each dialect: the server
// lives, goes on to answer others at once, and takes little memory.
func TestAttack_BytesHurtNobody(t *testing.T) {
	for _, name := range []string{nodeVictim, echoVictim} {
		v := startVictim(t, name)
		before := v.rest(t)
		for _, w := range wires {
			for _, a := range assaults {
				sent := a.sends(name, w)
				if len(sent) == 0 {
					continue
				}
				t.Run(fmt.Sprint(name, "/", w.name, "/", a.name), func(t *testing.T) {
					v.attack(t, peakLimit, func(t *testing.T) {
						if !a.apart {
							v.strike(t, sent, max(a.copies, 1))
							return
						}
						for one := range slices.Chunk(sent, 1) {
							v.strike(t, one, 1)
						}
					})
				})
			}
		}
		v.requireRest(t, before)
	}
}

// strike sends each message over connections of its own that stay open for an
// honest call, and then end.
func (v *victim) strike(t *testing.T, sent [][]byte, copies int) {
	var open []net.Conn
	for range copies {
		for _, b := range sent {
			nc := v.dial(t)
			defer nc.Close()
			nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
			nc.Write(b)
			open = append(open, nc)
		}
	}
	v.askHonestly(t)
	for _, nc := range open {
		hangUp(t, nc)
	}
}

// TestAttack_OtherProtocolsAreTurnedAway meets ports by mistake.
func TestAttack_OtherProtocolsAreTurnedAway(t *testing.T) {
	v := startVictim(t, nodeVictim)
	for name, first := range map[string]string{
		"HTTP":          "GET / HTTP/1.1\r\nHost: node\r\nUser-Agent: x\r\n\r\n",
		"HTTP POST":     "POST /run HTTP/1.0\r\nContent-Length: 2147483647\r\n\r\n",
		"HTTP/2":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS":           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + string(make([]byte, 500)),
		"SSH":           "SSH-2.0-OpenSSH_9.2\r\n",
		"text":          "hello, is anybody there?\r\n",
		"one line feed": "\n\n\n\n\n\n\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				nc := v.dial(t)
				defer nc.Close()
				_, err := nc.Write([]byte(first))
				require.NoError(t, err)
				nc.SetReadDeadline(time.Now().Add(20 * time.Second))
				got, err := io.ReadAll(nc)
				require.NotErrorIs(t, err, errTimeout, "it is closed at once")
				require.Empty(t, got)
			})
		})
	}
}

// TestAttack_AnswersToAServerAreNotAnswered sends what is no call, on which the
// server hangs up.
func TestAttack_AnswersToAServerAreNotAnswered(t *testing.T) {
	v := startVictim(t, nodeVictim)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				for _, kind := range []thrift.TMessageType{0, thrift.REPLY, thrift.EXCEPTION, 5, 7} {
					nc := v.dial(t)
					defer nc.Close()
					nc.SetDeadline(time.Now().Add(20 * time.Second))
					_, err := nc.Write(w.message(head{method: "ping", kind: kind, seq: 9}, []byte{0}))
					require.NoError(t, err)
					got, err := io.ReadAll(nc)
					require.NoError(t, err, "it is closed at once")
					require.Empty(t, got)
				}
			})
		})
	}
}

// TestAttack_SequenceIdsAreTheCallersAffair sends calls with ids that no client
// uses, and gets them back.
func TestAttack_SequenceIdsAreTheCallersAffair(t *testing.T) {
	v := startVictim(t, nodeVictim)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				nc := v.dial(t)
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(20 * time.Second))
				for _, seq := range []int32{0, -1, 1<<31 - 1, -1 << 31, 7, 7, 7} {
					h := head{method: "ping", kind: thrift.CALL, seq: seq}
					_, err := nc.Write(w.message(h, []byte{0}))
					require.NoError(t, err)
					h.kind = thrift.REPLY
					want := w.answer(h, []byte{0})
					got := make([]byte, len(want))
					_, err = io.ReadFull(nc, got)
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			})
		})
	}
}

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

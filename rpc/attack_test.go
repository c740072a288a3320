package rpc_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"
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
	v.requireSmallHeap(t)
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

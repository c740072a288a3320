package rpc_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// treachery is what a server does with each connection.
type treachery struct {
	name string
	// sends makes what it sends again and again, or once; nil: nothing.
	sends func(w wire, mark byte) []byte
	does  func(s *session, b []byte)
	fine  bool // the client may get its answer all the same
}

// answering makes an answer to call seq.
func answering(method string, seq int32, body func(w wire) []byte) func(w wire, mark byte) []byte {
	return func(w wire, mark byte) []byte {
		return w.message(head{method, thrift.REPLY, seq, mark}, body(w))
	}
}

// typed makes a message that is no answer.
func typed(kind thrift.TMessageType) func(w wire, mark byte) []byte {
	return func(w wire, mark byte) []byte { return w.message(head{"profile", kind, 2, mark}, []byte{0}) }
}

// tell sends b when it is asked, and waits for the end.
func tell(s *session, b []byte) {
	if s.asked() {
		s.Write(b)
		s.hold()
	}
}

// flood sends b for ever when it is asked.
func flood(s *session, b []byte) {
	if s.asked() {
		s.pour(b)
	}
}

var treacheries = []treachery{
	{name: "closes at once", does: func(*session, []byte) {}},
	{name: "hangs up after the ping", does: func(s *session, _ []byte) { s.hear() }},
	{name: "hangs up after the call", does: func(s *session, _ []byte) { s.asked() }},
	{name: "never answers", does: func(s *session, _ []byte) { s.hold() }},
	{name: "answers the ping alone", does: func(s *session, _ []byte) { s.greet(); s.hold() }},
	{name: "answers another ping", sends: answering("ping", 7, wire.nothing), does: func(s *session, b []byte) {
		s.hear()
		s.Write(b)
		s.hold()
	}},
	{name: "floods before it is asked", sends: answering("profile", 1000, wire.profile), does: (*session).pour},
	{name: "floods when it is asked", sends: answering("profile", 1000, wire.profile), does: flood},
	{name: "answers another call", sends: answering("profile", 77, wire.profile), does: tell},
	{name: "answers many times", sends: answering("profile", 2, wire.profile), does: flood, fine: true},
	{name: "answers with another method", sends: answering("run", 2, wire.profile), does: tell},
	{name: "answers with another type", does: tell, sends: answering("profile", 2, func(w wire) []byte {
		return slices.Concat(w.success(thrift.LIST), w.list(thrift.I64, 1), make([]byte, 9))
	}), fine: true}, // an answer without what was asked for
	{name: "calls", sends: typed(thrift.CALL), does: flood},
	{name: "answers with a type that is none", sends: typed(7), does: tell},
	{name: "zeros for ever", sends: func(wire, byte) []byte { return make([]byte, 64<<10) }, does: flood},
	{name: "text for ever", sends: func(wire, byte) []byte { return slices.Repeat([]byte("HTTP/1.1 200 OK\r\n"), 4000) }, does: flood},
	{name: "an unframed answer without an end", does: func(s *session, b []byte) {
		if s.asked() {
			s.Write(s.w.bare(head{"profile", thrift.REPLY, 2, s.mark}, nil))
			s.pour(b)
		}
	}, sends: func(w wire, _ byte) []byte {
		return slices.Repeat(append(w.long(thrift.STRING, 300), append(w.length(1000), make([]byte, 1000)...)...), 50)
	}},
	{name: "nesting without an end", does: func(s *session, b []byte) {
		if s.asked() {
			s.Write(s.w.bare(head{"profile", thrift.REPLY, 2, s.mark}, nil))
			s.pour(b)
		}
	}, sends: func(w wire, _ byte) []byte { return slices.Repeat(w.field(thrift.STRUCT, 1), 20_000) }},
	{name: "an answer over the limit", does: tell, sends: answering("profile", 2, func(w wire) []byte {
		return slices.Concat(w.success(thrift.STRUCT), w.field(thrift.STRING, 1), w.length(17<<20), make([]byte, 17<<20), []byte{0, 0})
	})},
	{name: "an answer of zeros", does: tell, sends: answering("profile", 2, func(w wire) []byte {
		return append(w.success(thrift.LIST), append(w.list(thrift.STRUCT, 14<<20), make([]byte, 14<<20)...)...)
	})},
}

// pour sends the same for ever.
func (s *session) pour(b []byte) {
	for {
		if _, err := s.Write(b); err != nil {
			return
		}
	}
}

// hugeAnswers promise more than comes.
func hugeAnswers(w wire, mark byte) (all [][]byte) {
	h := head{"profile", thrift.REPLY, 2, mark}
	add := func(pieces ...[]byte) { all = append(all, w.message(h, slices.Concat(pieces...))) }
	for _, n := range []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 10_000_000} {
		add(w.success(thrift.STRUCT), w.field(thrift.STRING, 1), w.length(n), make([]byte, 100))
		add(w.success(thrift.STRUCT), w.field(thrift.LIST, 3), w.list(thrift.STRUCT, n), make([]byte, 100))
		add(w.success(thrift.STRUCT), w.field(thrift.MAP, 9), w.dict(thrift.STRING, thrift.STRING, n), make([]byte, 100))
		if w.envelope != unframed {
			all = append(all, w.promise(n, w.inner(w.bare(h, w.profile()))))
		}
	}
	return all
}

// TestAttack_HostileServersHurtNoClient calls servers that break every rule.
func TestAttack_HostileServersHurtNoClient(t *testing.T) {
	node := good(t)
	eachTongue(t, func(t *testing.T, tongue tongue, mark byte) {
		servers := map[string]*hostile{}
		for _, row := range treacheries {
			var b []byte
			if row.sends != nil {
				b = row.sends(tongue.answers, mark)
			}
			servers[row.name] = startHostile(t, func(nc net.Conn) { row.does(&session{nc, tongue.answers, mark}, b) })
		}
		suffers(t, node, func(t *testing.T) {
			var wg sync.WaitGroup
			for _, row := range treacheries {
				wg.Go(func() {
					n := servers[row.name].client(tongue.dialect)
					defer n.Close()
					for range 2 {
						tryProfile(t, n, row.name, row.fine)
					}
				})
			}
			wg.Wait()
		})
	})
}

// eachTongue runs f for each tongue, with and without the mark.
func eachTongue(t *testing.T, f func(t *testing.T, tongue tongue, mark byte)) {
	for _, tongue := range tongues() {
		t.Run(tongue.name, func(t *testing.T) { f(t, tongue, 0) })
		if tongue.answers.strict() {
			t.Run(tongue.name+" with the mark", func(t *testing.T) { f(t, tongue, theMark) })
		}
	}
}

// together has one client a message call a server that answers with that message
// alone, and then hangs up or keeps the connection.
func together(t *testing.T, tongue tongue, mark byte, answers [][]byte, hold bool) {
	var next atomic.Int64
	h := startHostile(t, func(nc net.Conn) {
		s := &session{nc, tongue.answers, mark}
		b := answers[int(next.Add(1)-1)%len(answers)]
		if s.asked() {
			s.Write(b)
			if hold {
				s.hold()
			}
		}
	})
	var wg sync.WaitGroup
	for range answers {
		wg.Go(func() {
			n := h.client(tongue.dialect)
			defer n.Close()
			tryProfile(t, n, "", false)
		})
	}
	wg.Wait()
}

// TestAttack_TruncatedAnswersEndTheCall breaks off at every byte.
func TestAttack_TruncatedAnswersEndTheCall(t *testing.T) {
	node := good(t)
	eachTongue(t, func(t *testing.T, tongue tongue, mark byte) {
		whole := tongue.answers.message(head{"profile", thrift.REPLY, 2, mark}, tongue.answers.profile())
		var answers [][]byte
		for n := range whole {
			answers = append(answers, whole[:n])
		}
		suffers(t, node, func(t *testing.T) {
			together(t, tongue, mark, answers, false)
			together(t, tongue, mark, answers, true)
		})
	})
}

// TestAttack_AnswersThatPromiseTooMuchEndTheCall announces 2 and 4 GB, and ten
// million elements.
func TestAttack_AnswersThatPromiseTooMuchEndTheCall(t *testing.T) {
	node := good(t)
	eachTongue(t, func(t *testing.T, tongue tongue, mark byte) {
		answers := hugeAnswers(tongue.answers, mark)
		suffers(t, node, func(t *testing.T) {
			together(t, tongue, mark, answers, false)
			together(t, tongue, mark, answers, true)
		})
	})
}

// TestAttack_RandomAnswersEndTheCall changes an answer at random. What is an answer
// still may be taken for one.
func TestAttack_RandomAnswersEndTheCall(t *testing.T) {
	node := good(t)
	eachTongue(t, func(t *testing.T, tongue tongue, mark byte) {
		rng := seeded("client", tongue.answers)
		whole := tongue.answers.message(head{"profile", thrift.REPLY, 2, mark}, tongue.answers.profile())
		var next atomic.Int64
		const answers = 200
		sent := make([][]byte, answers)
		for i := range sent {
			b := slices.Clone(whole)
			for range 1 + rng.IntN(4) {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
			sent[i] = b
		}
		h := startHostile(t, func(nc net.Conn) {
			s := &session{nc, tongue.answers, mark}
			if s.asked() {
				s.Write(sent[int(next.Add(1)-1)%answers])
			}
		})
		suffers(t, node, func(t *testing.T) {
			n := h.client(tongue.dialect)
			defer n.Close()
			for range answers {
				tryProfile(t, n, "", true)
			}
		})
	})
}

// TestAttack_GoawayOnEachConnectionIsNoReasonToHurry has the server refuse to
// work in the politest way.
func TestAttack_GoawayOnEachConnectionIsNoReasonToHurry(t *testing.T) {
	node := good(t)
	goaway := head{method: "$goaway", kind: thrift.ONEWAY, mark: theMark}
	for name, does := range map[string]func(s *session){
		"after the ping": func(s *session) {
			s.greet()
			s.w = wires[3]
			s.say(goaway, []byte{0})
			s.hold()
		},
		"before the answer to the ping": func(s *session) {
			s.hear()
			s.Write(append(wires[3].message(goaway, []byte{0}), s.w.message(head{"ping", thrift.REPLY, 1, theMark}, []byte{0})...))
			s.hold()
		},
		"with the answer to the ping": func(s *session) {
			s.hear()
			s.Write(append(s.w.message(head{"ping", thrift.REPLY, 1, theMark}, []byte{0}), wires[3].message(goaway, []byte{0})...))
			s.hold()
		},
		"and hangs up": func(s *session) {
			s.greet()
			s.w = wires[3]
			s.say(goaway, []byte{0})
		},
		"or rather hangs up": func(s *session) { s.greet() },
	} {
		t.Run(name, func(t *testing.T) {
			h := startHostile(t, func(nc net.Conn) { does(&session{nc, wires[0], theMark}) })
			suffers(t, node, func(t *testing.T) {
				n := h.client(0)
				defer n.Close()
				for range 3 {
					tryProfile(t, n, "", false)
				}
				require.Less(t, h.conns.Load(), int64(100), "connections")
			})
		})
	}
}

// TestAttack_MarkedHelloThenRubbish goes on in any dialect, with anything.
func TestAttack_MarkedHelloThenRubbish(t *testing.T) {
	node := good(t)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			rubbish := append(randomBytes(nodeVictim, w), hugeAnswers(w, 0)...)
			var next atomic.Int64
			h := startHostile(t, func(nc net.Conn) {
				s := &session{nc, wires[0], theMark}
				if s.greet() {
					s.Write(rubbish[int(next.Add(1)-1)%len(rubbish)])
				}
			})
			suffers(t, node, func(t *testing.T) {
				n := h.client(0)
				defer n.Close()
				for range 20 {
					tryProfile(t, n, "", false)
				}
			})
		})
	}
}

// TestAttack_ServerThatNeverReadsHoldsNobody takes connections and greets, and
// reads none of the large calls.
func TestAttack_ServerThatNeverReadsHoldsNobody(t *testing.T) {
	node := good(t)
	eachTongue(t, func(t *testing.T, tongue tongue, mark byte) {
		stop := make(chan struct{})
		defer close(stop)
		h := startHostile(t, func(nc net.Conn) {
			(&session{nc, tongue.answers, mark}).greet()
			<-stop
		})
		suffers(t, node, func(t *testing.T) {
			p := mux.NewPool(mux.PoolConfig{Dial: h.dial, Dialect: tongue.dialect})
			defer p.Close()
			data := make([]byte, 4_000_000)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ended := make(chan error)
			for range 5 {
				go func() {
					_, err := echo.NewEchoClient(p).Echo(ctx, data)
					ended <- err
				}()
			}
			for range 5 {
				select {
				case err := <-ended:
					require.Error(t, err)
				case <-time.After(noHang):
					require.FailNow(t, "a call hangs past its deadline")
				}
			}
		})
	})
}

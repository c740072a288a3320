package rpc_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

// crowd opens n connections, or as many as this process may, and has first sent
// on each. They are closed at the end of the test, or by the server.
func (v *victim) crowd(t *testing.T, n int, first []byte) []net.Conn {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if most := int(limit.Cur) - 500; most < n {
		t.Logf("only %d connections: the limit of open files is %d", most, limit.Cur)
		n = most
	}
	open := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, nc := range open {
			if nc != nil {
				nc.Close()
			}
		}
	})
	var wg sync.WaitGroup
	ctx := soon(t)
	const dialers = 4
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < n; i += dialers {
				nc, err := v.connect(ctx)
				if err != nil {
					continue // the queue of the listener was full
				}
				nc.Write(first)
				open[i] = nc
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(slices.Clone(open), func(nc net.Conn) bool { return nc == nil })
}

// TestAttack_CrowdsHurtNobody opens far more connections than a server keeps, on
// which nothing comes, or not enough.
func TestAttack_CrowdsHurtNobody(t *testing.T) {
	v := startVictim(t, nodeVictim)
	before := v.rest(t)
	for _, row := range []struct{ name, first string }{
		{"idle", ""},
		{"the first byte of strict binary", "\x80"},
		{"the first byte of compact", "\x82"},
		{"the first byte of a frame", "\x00"},
		{"most of a length", "\x00\x0f\xff"},
		{"the beginning of a frame of 1 MB", "\x00\x0f\xff\xff\x80\x01"},
		{"the beginning of an unframed call", "\x80\x01\x00\x01\x00\x00\x00\x03run\x00\x00\x00\x01\x0c"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				open := v.crowd(t, crowdSize, []byte(row.first))
				v.askHonestly(t)
				v.requireSmallHeap(t)
				for _, nc := range open {
					nc.Close()
				}
			})
		})
	}
	ping := wires[0].message(call("ping"), []byte{0})
	t.Run("one call, then the beginning of another", func(t *testing.T) {
		v.attack(t, peakLimit, func(t *testing.T) {
			open := v.crowd(t, crowdSize, append(ping, ping[:9]...))
			v.askHonestly(t)
			for _, nc := range open {
				nc.Close()
			}
		})
	})
	t.Run("one call, and no more", func(t *testing.T) {
		v.attack(t, peakLimit, func(t *testing.T) {
			open := v.crowd(t, crowdSize, ping)
			// Those who have been idle longest had to make room.
			v.reconnect(t)
			v.askHonestly(t)
			for _, nc := range open {
				nc.Close()
			}
		})
	})
	v.requireRest(t, before)
}

// TestAttack_StalledLargeCallsHoldUpNoSmallOnes fills the budget for large calls
// with some that do not come to their end.
func TestAttack_StalledLargeCallsHoldUpNoSmallOnes(t *testing.T) {
	v := startVictim(t, echoVictim)
	before := v.rest(t)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			whole := w.message(call("echo"), w.fields(&echo.EchoEchoArgs{Data: make([]byte, manyBytes)}))
			v.attack(t, peakLimit, func(t *testing.T) {
				v.stuff(t, 50, func(nc net.Conn) { nc.Write(whole[:min(1_000_000, len(whole)-1)]) })
			})
		})
	}
	v.requireRest(t, before)
}

// TestAttack_ComingAndGoingHurtsNobody opens and closes connections as fast as it
// can, with and without a call, politely and not.
func TestAttack_ComingAndGoingHurtsNobody(t *testing.T) {
	v := startVictim(t, nodeVictim)
	before := v.rest(t)
	v.attack(t, peakLimit, func(t *testing.T) {
		var wg sync.WaitGroup
		ctx := soon(t)
		for i := range 8 {
			wg.Go(func() {
				w := wires[i]
				for range 1000 {
					nc, err := v.connect(ctx)
					if err != nil {
						continue
					}
					if i%2 == 0 {
						nc.Write(w.message(call("ping"), []byte{0}))
					}
					if i%4 < 2 {
						_ = nc.(*net.TCPConn).SetLinger(0)
					}
					nc.Close()
				}
			})
		}
		for range 20 {
			v.askHonestly(t)
		}
		wg.Wait()
	})
	v.requireRest(t, before)
}

// TestAttack_TricklesHurtNobody sends calls byte by byte on many connections;
// others are answered meanwhile, and in the end so are they.
func TestAttack_TricklesHurtNobody(t *testing.T) {
	v := startVictim(t, nodeVictim)
	before := v.rest(t)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				open := v.crowd(t, 300, nil)
				h := call("ping")
				for i, b := range w.message(h, []byte{0}) {
					for _, nc := range open {
						_, err := nc.Write([]byte{b})
						require.NoError(t, err)
					}
					if i%4 == 0 {
						v.askHonestly(t)
					}
				}
				h.kind = thrift.REPLY
				want := w.answer(h, []byte{0})
				for _, nc := range open {
					requireReads(t, nc, want)
				}
			})
		})
	}
	v.requireRest(t, before)
}

func requireReads(t *testing.T, nc net.Conn, want []byte) {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(want))
	_, err := io.ReadFull(nc, got)
	require.NoError(t, err)
	if !bytes.Equal(want, got) { // which may be too much to print
		require.Equal(t, want[:min(len(want), 100)], got[:min(len(got), 100)])
		require.Fail(t, "another answer")
	}
}

// ahead sends on a connection until all is taken, without reading, while honest
// calls go on; then it lets read receive the answers.
func (v *victim) ahead(t *testing.T, sent []byte, read func(nc net.Conn)) {
	nc := v.dial(t)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer nc.Close()
	wg.Go(func() { nc.Write(sent) })
	for range 10 {
		v.askHonestly(t)
	}
	read(nc)
}

// TestAttack_CallsFarAheadAreAllAnswered sends 100,000 calls (fewer where that
// takes long) and reads no answer before it is done, or held up. Without the mark the answers come in order.
func TestAttack_CallsFarAheadAreAllAnswered(t *testing.T) {
	v := startVictim(t, nodeVictim)
	before := v.rest(t)
	for _, w := range wires {
		calls := aheadCalls
		if !w.strict() {
			calls /= 5
		}
		t.Run(w.name, func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				var sent, want []byte
				for i := range calls {
					h := head{method: "ping", kind: thrift.CALL, seq: int32(i)}
					sent = append(sent, w.message(h, []byte{0})...)
					h.kind = thrift.REPLY
					want = append(want, w.answer(h, []byte{0})...)
				}
				v.ahead(t, sent, func(nc net.Conn) { requireReads(t, nc, want) })
			})
		})
		if !w.strict() {
			continue
		}
		t.Run(w.name+" with the mark", func(t *testing.T) {
			v.attack(t, peakLimit, func(t *testing.T) {
				var sent []byte
				for i := range calls {
					h := head{method: "ping", kind: thrift.CALL, seq: int32(i), mark: theMark}
					sent = append(sent, w.message(h, []byte{0})...)
				}
				v.ahead(t, sent, func(nc net.Conn) { requireEachOnce(t, w, nc, calls) })
			})
		})
	}
	v.requireRest(t, before)
}

// requireEachOnce reads the answers to so many pings, in any order.
func requireEachOnce(t *testing.T, w wire, nc net.Conn, calls int) {
	t.Helper()
	const seqAt = 12 // in a bare answer to ping
	h := head{method: "ping", kind: thrift.REPLY, mark: theMark}
	size := len(w.message(h, []byte{0}))
	all := make([]byte, size*calls)
	_, err := io.ReadFull(nc, all)
	require.NoError(t, err)
	seen := map[int32]bool{}
	for one := range slices.Chunk(all, size) {
		h.seq = int32(binary.BigEndian.Uint32(one[size-17+seqAt:]))
		require.Equal(t, w.message(h, []byte{0}), one)
		seen[h.seq] = true
	}
	require.Len(t, seen, calls)
}

// TestAttack_PeersThatNeverReadHurtNobody asks for much more than it takes.
func TestAttack_PeersThatNeverReadHurtNobody(t *testing.T) {
	for name, row := range map[string]struct {
		call  func(w wire, h head) []byte
		calls int
		conns int
	}{
		nodeVictim: {func(w wire, h head) []byte {
			h.method = "profile"
			return w.message(h, []byte{0})
		}, 20_000, 4},
		echoVictim: {func(w wire, h head) []byte {
			h.method = "echo"
			return w.message(h, w.fields(&echo.EchoEchoArgs{Data: make([]byte, 1_000_000)}))
		}, 100, 4},
	} {
		v := startVictim(t, name, noCollector)
		before := v.rest(t)
		for _, w := range wires {
			for _, mark := range []byte{0, theMark} {
				if mark != 0 && !w.strict() {
					continue
				}
				t.Run(name+"/"+w.name+map[byte]string{theMark: " with the mark"}[mark], func(t *testing.T) {
					one := row.call(w, head{kind: thrift.CALL, seq: 1, mark: mark})
					v.attack(t, peakLimit, func(t *testing.T) {
						v.stuff(t, row.conns, func(nc net.Conn) {
							for range row.calls {
								if _, err := nc.Write(one); err != nil {
									return // it is held up, until the test ends
								}
							}
						})
					})
				})
			}
		}
		v.requireRest(t, before)
	}
}

// stuff has f write to several connections, from which nothing is read, while
// honest calls go on.
func (v *victim) stuff(t *testing.T, conns int, f func(nc net.Conn)) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, nc := range v.crowd(t, conns, nil) {
		defer nc.Close()
		wg.Go(func() { f(nc) })
	}
	for range 20 {
		v.askHonestly(t)
	}
}

// TestAttack_HundredLargeCallsAtOnceStayWithinTheBudget holds as many calls of
// 15 MB in a handler as the server lets in, and then all are answered.
func TestAttack_HundredLargeCallsAtOnceStayWithinTheBudget(t *testing.T) {
	v := startVictim(t, echoVictim)
	before := v.rest(t)
	data := make([]byte, manyBytes)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			v.hundred(t, w, call("after"), &echo.EchoAfterArgs{Data: data, Ms: -1}, &echo.EchoAfterResult{Success: data})
		})
	}
	t.Run("text, which is copied", func(t *testing.T) {
		item := &echo.Item{Name: string(data), Number: -1}
		v.hundred(t, wires[0], call("item"), &echo.EchoItemArgs{Item: item}, &echo.EchoItemResult{Success: item})
	})
	v.requireRest(t, before)
}

func (v *victim) hundred(t *testing.T, w wire, h head, args, result thrift.TStruct) {
	sent := w.message(h, w.fields(args))
	h.kind = thrift.REPLY
	want := w.answer(h, w.fields(result))
	v.attack(t, 600_000_000, func(t *testing.T) {
		v.order(t, orderHold)
		defer v.order(t, orderLet)
		var wg sync.WaitGroup
		for _, nc := range v.crowd(t, largeCalls, nil) {
			nc.SetDeadline(time.Now().Add(50 * time.Second))
			wg.Go(func() { nc.Write(sent) })
			wg.Go(func() {
				defer nc.Close()
				same, err := reads(nc, want)
				if err != nil || !same {
					t.Errorf("an answer: the same: %v, %v", same, err)
				}
			})
		}
		held := 0
		soonTrue(t, "no more are let in", func() bool {
			was := held
			held, _ = strconv.Atoi(v.order(t, orderHeld))
			return held > 1 && held == was
		})
		t.Logf("%d of %d held at once", held, largeCalls)
		v.askHonestly(t)
		v.order(t, orderLet)
		wg.Wait()
	})
}

// reads compares what comes with want, piece by piece.
func reads(nc net.Conn, want []byte) (same bool, err error) {
	piece := make([]byte, 1<<20)
	for len(want) > 0 {
		n, err := nc.Read(piece[:min(len(piece), len(want))])
		if !bytes.Equal(piece[:n], want[:n]) {
			return false, err
		}
		want = want[n:]
		if err != nil && len(want) > 0 {
			return false, err
		}
	}
	return true, nil
}

// TestAttack_ForgedControlMessagesHurtNobody sends what only servers send, and
// gives up calls that there are not.
func TestAttack_ForgedControlMessagesHurtNobody(t *testing.T) {
	v := startVictim(t, nodeVictim)
	before := v.rest(t)
	for _, w := range wires {
		for _, mark := range []byte{0, theMark} {
			if mark != 0 && !w.strict() {
				continue
			}
			t.Run(w.name+map[byte]string{theMark: " with the mark"}[mark], func(t *testing.T) {
				rng := seeded(nodeVictim, w)
				var sent []byte
				for range aheadCalls / 3 {
					method := []string{"$cancel", "$cancel", "$goaway", "$other"}[rng.IntN(4)]
					h := head{method: method, kind: thrift.ONEWAY, seq: int32(rng.Uint32()), mark: mark}
					sent = append(sent, w.message(h, []byte{0})...)
				}
				last := head{method: "ping", kind: thrift.CALL, seq: 1, mark: mark}
				sent = append(sent, w.message(last, []byte{0})...)
				last.kind = thrift.REPLY
				v.attack(t, peakLimit, func(t *testing.T) {
					v.ahead(t, sent, func(nc net.Conn) { requireReads(t, nc, w.answer(last, []byte{0})) })
				})
			})
		}
	}
	v.requireRest(t, before)
}

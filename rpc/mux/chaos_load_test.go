package mux_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// seedOf is the seed of a test's random choices: SPILLWAY_SEED, or the same one
// each time.
func seedOf(t *testing.T) uint64 {
	seed := uint64(20_260)
	if s := os.Getenv("SPILLWAY_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "SPILLWAY_SEED")
		seed = n
	}
	t.Logf("seed %d; SPILLWAY_SEED sets another", seed)
	return seed
}

// load is many callers at once who make random calls.
type load struct {
	callers, calls int // calls in all
	first          int // place in the book
	least, largest int // bytes of data
	patience       time.Duration
	seed           uint64
	mild           bool // nobody gives up before patience
	fickle         bool // everybody does, at any time before it
	slow           bool // one handler in four takes milliseconds
	stubborn       bool // what was not sent is tried again
}

// run makes the calls, and returns when all have ended.
func (l load) run(t *testing.T, b *book, pool *mux.Pool) {
	noise := make([]byte, l.largest)
	rng := rand.NewChaCha8([32]byte{1: byte(l.seed)})
	_, _ = rng.Read(noise)
	var wg sync.WaitGroup
	for i := range l.callers {
		c := &loader{
			load: l, book: b, noise: noise, pool: pool,
			rng: rand.New(rand.NewPCG(l.seed, uint64(i))), buf: make([]byte, 0, 1<<10),
		}
		from, to := l.first+i*l.calls/l.callers, l.first+(i+1)*l.calls/l.callers
		wg.Go(func() {
			for id := from; id < to; id++ {
				c.one(id)
			}
			c.recheck()
		})
	}
	join(t, &wg)
}

// join waits for wg, but not for ever: it shows where everybody stands.
func join(t *testing.T, wg *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(4 * time.Minute):
		stacks := make([]byte, 1<<20)
		t.Errorf("calls hang:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// loader is one caller.
type loader struct {
	load
	book  *book
	pool  *mux.Pool
	rng   *rand.Rand
	noise []byte
	buf   []byte
	kept  [8]kept // answers that must stay as they are
	next  int
}

type kept struct {
	id   int
	data []byte
	sum  uint32
}

// size is skewed: nine of ten are below 256 bytes, one in 500 is above 64 KiB.
func (l *loader) size() int {
	most := 256
	switch p := l.rng.IntN(1000); {
	case p < 2:
		most = l.largest
	case p < 12:
		most = 64 << 10
	case p < 100:
		most = 4 << 10
	case p < 200:
		most = 0
	}
	most = max(min(most, l.largest), l.least)
	return l.least + l.rng.IntN(most-l.least+1)
}

// wishOf: most want an answer.
func (l *loader) wishOf() wish {
	if l.slow && l.rng.IntN(4) == 0 {
		return toPause
	}
	switch p := l.rng.IntN(1000); {
	case p < 600:
		return toAnswer
	case p < 800:
		return toCopy
	case p < 900:
		return toYield
	case p < 940:
		return toRefuse
	case p < 970:
		return toFail
	case p < 999:
		return toExplain
	}
	return toPanic
}

// one makes call id.
func (l *loader) one(id int) {
	c := call{id: id, wish: l.wishOf(), shape: shape(l.rng.IntN(int(asNote)))}
	if l.rng.IntN(20) == 0 {
		c.shape, c.wish = asNote, toYield
	}
	ctx, cancel := l.context(&c)
	defer cancel()
	size := l.size()
	switch c.shape {
	case asEcho:
		size = max(size, headBytes)
	case asNote:
		size = 0
	}
	if cap(l.buf) < size {
		l.buf = make([]byte, 0, size)
	}
	at := l.rng.IntN(len(l.noise) - size + 1)
	for again := true; again; {
		c.data = append(l.buf[:0], l.noise[at:at+size]...)
		end, answer, _ := l.book.do(ctx, l.pool, c)
		if len(answer) > 0 {
			l.keep(kept{id: id, data: answer, sum: sum(0, answer)})
		}
		if end == unsent {
			l.rest()
		}
		again = end == unsent && l.stubborn && ctx.Err() == nil
	}
}

// context is mostly a patient one; one in ten callers gives up soon.
func (l *loader) context(c *call) (context.Context, context.CancelFunc) {
	p := l.rng.IntN(100)
	soon := time.Duration(l.rng.ExpFloat64() * float64(time.Millisecond))
	if l.mild {
		p = 100
	}
	switch {
	case l.fickle:
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(l.rng.Int64N(int64(l.patience))), cancel)
		return ctx, cancel
	case p < 2 && c.shape != asNote:
		c.wish = toLinger
		fallthrough
	case p < 6:
		return context.WithTimeout(context.Background(), soon)
	case p < 10:
		ctx, cancel := context.WithTimeout(context.Background(), l.patience)
		time.AfterFunc(soon, cancel)
		return ctx, cancel
	}
	return context.WithTimeout(context.Background(), l.patience)
}

// rest keeps a caller that cannot connect from using up its calls.
func (l *loader) rest() { <-time.After(time.Duration(l.rng.IntN(4_000)) * time.Microsecond) }

// keep holds on to an answer, in place of an older one that must not have changed.
func (l *loader) keep(k kept) {
	l.check(l.kept[l.next])
	l.kept[l.next] = k
	l.next = (l.next + 1) % len(l.kept)
}

func (l *loader) recheck() {
	for _, k := range l.kept {
		l.check(k)
	}
}

func (l *loader) check(k kept) {
	if k.data != nil && sum(0, k.data) != k.sum {
		l.book.blame("the answer to call %d changed after the call", k.id)
	}
}

// network is that of an address; one that is a path is a Unix socket's.
func network(addr string) string {
	if filepath.IsAbs(addr) {
		return "unix"
	}
	return "tcp"
}

// startBook serves b at addr until stop, which waits for the end.
func startBook(t *testing.T, b *book, cfg mux.ServerConfig, addr string) (at string, stop func()) {
	listener, err := net.Listen(network(addr), addr)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- mux.NewServer(cfg, echo.NewEchoProcessor(b), slog.New(slog.DiscardHandler)).Serve(ctx, listener)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// startPoolOf makes a pool that is closed at the end of the test.
func startPoolOf(t *testing.T, addr string, cfg mux.PoolConfig) *mux.Pool {
	cfg.Dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, addr) }
	p := mux.NewPool(cfg)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// dial connects to addr. The kernel holds few bytes for the connection, so that a
// slow link is felt.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network(addr), addr)
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(narrow) // an error means that it has ended already
	}
	return nc, err
}

// startLink puts a link before a server.
func startLink(t *testing.T, addr string, seed uint64) (l *link, at string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l = newLink(func(ctx context.Context) (net.Conn, error) { return dial(ctx, addr) }, seed)
	l.serve(listener)
	t.Cleanup(l.close)
	return l, listener.Addr().String()
}

// weather is what a storm chooses from. Times are short: they are meant to meet
// calls that take microseconds.
func weather(rng *rand.Rand) fault {
	switch rng.IntN(9) {
	case 0:
		return fault{delay: time.Duration(rng.IntN(5)) * time.Millisecond}
	case 1:
		return fault{loss: 0.05, rto: 5 * time.Millisecond}
	case 2:
		return fault{segment: 1}
	case 3:
		return fault{segment: 1 + rng.IntN(64)}
	case 4:
		return fault{rate: 1 << (18 + rng.IntN(4))}
	case 5:
		return fault{end: ending(1 + rng.IntN(4)), after: rng.IntN(100), way: way(1 + rng.IntN(3))}
	case 6:
		return fault{end: ending(1 + rng.IntN(4)), after: rng.IntN(100_000), way: way(1 + rng.IntN(3))}
	}
	return fault{}
}

// storm changes a link at random times until ctx ends, and leaves it whole.
func storm(ctx context.Context, l *link, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0x57))
	for ctx.Err() == nil {
		f := weather(rng)
		l.set(f)
		if rng.IntN(3) == 0 {
			l.strike(ending(1 + rng.IntN(3)))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond))):
		}
	}
	l.set(fault{})
}

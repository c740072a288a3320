package main

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"
)

// wires carry the packets between hosts, and lose or delay them as told. All
// methods may be called concurrently.
type wires struct {
	ports              map[netip.Addr]*port
	takers, deliverers sync.WaitGroup

	mu    sync.Mutex // guards what follows
	rng   *rand.Rand
	cut   map[path]bool
	delay time.Duration
	loss  float64
}

// path is a direction between two hosts.
type path struct{ from, to netip.Addr }

// port is where a host is plugged in.
type port struct {
	tun   *os.File
	queue chan packet
}

type packet struct {
	bytes []byte
	due   time.Time
}

// room is how many packets wait for a host at most; more are lost, as in any router.
const room = 4096

// newWires connects hosts.
func newWires(seed uint64, hosts []*host) *wires {
	w := &wires{ports: map[netip.Addr]*port{}, rng: rand.New(rand.NewPCG(seed, 0x3173)), cut: map[path]bool{}}
	for _, h := range hosts {
		w.ports[h.addr] = &port{tun: h.tun, queue: make(chan packet, room)}
	}
	for _, p := range w.ports {
		w.takers.Go(func() { w.take(p) })
		w.deliverers.Go(p.deliver)
	}
	return w
}

// take passes on what the host of p sends, until its device is closed.
func (w *wires) take(p *port) {
	buffer := make([]byte, 65536)
	for {
		n, err := p.tun.Read(buffer)
		if err != nil {
			return
		}
		const header = 20
		if n < header || buffer[0]>>4 != 4 {
			continue
		}
		way := path{netip.AddrFrom4([4]byte(buffer[12:16])), netip.AddrFrom4([4]byte(buffer[16:20]))}
		to := w.ports[way.to]
		if to == nil {
			continue
		}
		delay, lost := w.fate(way)
		if lost {
			continue
		}
		select {
		case to.queue <- packet{append([]byte(nil), buffer[:n]...), time.Now().Add(delay)}:
		default:
		}
	}
}

// fate is what becomes of a packet.
func (w *wires) fate(way path) (delay time.Duration, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.delay, w.cut[way] || w.loss > 0 && w.rng.Float64() < w.loss
}

// deliver gives the host its packets when they are due.
func (p *port) deliver() {
	for packet := range p.queue {
		if wait := time.Until(packet.due); wait > 0 {
			time.Sleep(wait)
		}
		_, _ = p.tun.Write(packet.bytes) // a device that is down loses packets
	}
}

// spoil delays every packet, and loses a share of them, from now on.
func (w *wires) spoil(delay time.Duration, loss float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay, w.loss = delay, loss
}

// sever cuts the ways from a host to all others, those back, or both; or mends them.
func (w *wires) sever(h *host, out, in, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for other := range w.ports {
		if out {
			w.cut[path{h.addr, other}] = cut
		}
		if in {
			w.cut[path{other, h.addr}] = cut
		}
	}
}

// close waits until nothing is carried any more. The devices are closed before.
func (w *wires) close() {
	w.takers.Wait()
	for _, p := range w.ports {
		close(p.queue)
	}
	w.deliverers.Wait()
}

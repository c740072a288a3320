package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// host is where programs run: a network namespace of its own, which has a thread
// of this program in it. What the thread starts is in there, too, and ends with it.
// Nothing is left behind when all of these have ended, however they did.
//
// Where this program may make no namespace, a host is the machine's own.
type host struct {
	name string
	addr netip.Addr // of its device; invalid: it has none
	tun  *os.File   // what the host sends and receives; nil: it has no device
	work chan func()
	gone chan struct{}
}

// newHost makes a host; separate: in a namespace; with an address: on the network.
func newHost(name string, separate bool, addr netip.Addr) (*host, error) {
	h := &host{name: name, addr: addr, work: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(h.gone)
		runtime.LockOSThread() // and never unlocked: the thread ends here, and with it what it started
		err := h.prepare(separate)
		ready <- err
		if err != nil {
			return
		}
		for f := range h.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		if h.tun != nil {
			_ = h.tun.Close() // it was never used
		}
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return h, nil
}

func (h *host) prepare(separate bool) error {
	if !separate {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if err := ip("link set lo up"); err != nil || !h.addr.IsValid() {
		return err
	}
	var err error
	if h.tun, err = openTUN(device); err != nil {
		return err
	}
	return errors.Join(ip("addr add "+h.addr.String()+"/24 dev "+device), ip("link set "+device+" up"))
}

// device is the name of a host's way to the others.
const device = "out0"

// openTUN makes a network device whose packets this program carries.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], name)
	request.flags = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return nil, errors.Join(fmt.Errorf("make a network device: %w", errno), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// ip runs a command of iproute2 in the namespace of the calling thread.
func ip(words string) error {
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", words, err, out)
	}
	return nil
}

// do runs f on the host's thread.
func (h *host) do(f func()) {
	done := make(chan struct{})
	h.work <- func() { defer close(done); f() }
	<-done
}

// close ends all that was started on the host.
func (h *host) close() {
	close(h.work)
	<-h.gone
	if h.tun != nil {
		_ = h.tun.Close() // the device is gone with its namespace
	}
}

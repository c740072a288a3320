package mux

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

const readBuffer = 8 << 10

// buffers are the read buffers of connections that are not idle.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// source reads from a connection through a buffer that it gives back while
// nothing comes, so that idle peers cost no memory. It has one user at a time.
type source struct {
	nc    net.Conn
	r     *bufio.Reader // nil while idle
	first [1]byte       // what ended the idle time
	has   bool
	bytes atomic.Int64 // read
}

// Read gives the byte that ended the idle time, then what comes.
func (s *source) Read(p []byte) (int, error) {
	if s.has && len(p) > 0 {
		s.has = false
		p[0] = s.first[0]
		return 1, nil
	}
	n, err := s.nc.Read(p)
	s.bytes.Add(int64(n))
	return n, err
}

// buffered makes the source ready to be read through s.r.
func (s *source) buffered() *bufio.Reader {
	if s.r == nil {
		s.r = buffers.Get().(*bufio.Reader)
		s.r.Reset(s)
	}
	return s.r
}

// drop gives the buffer back with what it holds.
func (s *source) drop() {
	if s.r != nil {
		s.r.Reset(nil)
		buffers.Put(s.r)
		s.r = nil
	}
}

// release gives the buffer back; false: it holds bytes.
func (s *source) release() bool {
	if s.r == nil {
		return true
	}
	if s.r.Buffered() > 0 || s.has {
		return false
	}
	s.drop()
	return true
}

// idle waits for the next byte without a buffer.
func (s *source) idle() error {
	if !s.release() {
		return nil
	}
	n, err := s.nc.Read(s.first[:])
	s.bytes.Add(int64(n))
	s.has = n == 1
	if n == 1 {
		return nil
	}
	return err
}

// ended tells, without waiting, that nothing will come any more. It needs a
// socket; of other connections it does not know.
func (s *source) ended() (ended bool) {
	socket, ok := s.nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n == 0 && err == nil || errors.Is(err, syscall.ECONNRESET)
		return true
	})
	return ended
}

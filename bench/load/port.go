package load

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

// ports hands each port out once.
type ports struct{ last atomic.Int64 }

// freeAddr is a loopback address for a program that is still to start. Its port lies
// below those that the system hands out itself, so that nobody else takes it
// meanwhile; runs of the benchmark at once begin at different ones.
func (p *ports) freeAddr() (string, error) {
	const first, last = 10_000, 32_000
	const stride = 7919 // so that processes that are started one after the other are far apart
	for range last - first {
		port := first + (int64(os.Getpid())*stride+p.last.Add(1))%(last-first)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("every port is taken")
}

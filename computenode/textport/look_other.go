//go:build !linux

package textport

import "net"

// look knows nothing here: work that nobody waits for goes on to its end.
func look(net.Conn) presence { return there }

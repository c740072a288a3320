package machine

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// address turns HOST[:PORT] into HOST:PORT.
func address(s string) (string, error) {
	host, port, err := split(s)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(port)
	switch {
	case err != nil:
		return "", fmt.Errorf("port %.80q is not a number", port)
	case n < 1 || n > 65535:
		return "", fmt.Errorf("port %d is not within 1 to 65535", n)
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// split parts host and port and checks the host.
func split(s string) (host, port string, err error) {
	if strings.HasPrefix(s, "[") {
		return splitBrackets(s)
	}
	host, port, has := strings.Cut(s, ":")
	switch {
	case strings.Contains(port, ":"):
		return "", "", fmt.Errorf("%.80q has more than one colon; write IPv6 in brackets, as in [::1]:5001", s)
	case !has:
		port = DefaultPort
	}
	return host, port, checkHost(host)
}

// splitBrackets reads [IPv6] and [IPv6]:PORT.
func splitBrackets(s string) (host, port string, err error) {
	host, rest, closed := strings.Cut(s[1:], "]")
	addr, err := netip.ParseAddr(host)
	if !closed || err != nil || !addr.Is6() {
		return "", "", fmt.Errorf("%.80q is not an IPv6 address in brackets", s)
	}
	port, has := strings.CutPrefix(rest, ":")
	switch {
	case !has && rest != "":
		return "", "", fmt.Errorf("%.80q follows the bracket; want a colon and a port", rest)
	case !has:
		port = DefaultPort
	}
	return addr.String(), port, nil
}

// checkHost allows host names and IPv4 addresses; it asks no name server.
func checkHost(host string) error {
	if host == "" || len(host) > 253 {
		return fmt.Errorf("host %.80q is not a name or an address", host)
	}
	number := true
	for _, c := range host {
		if !letterOrDigit(c) && !strings.ContainsRune("-._", c) {
			return fmt.Errorf("host %.80q is not a name or an address", host)
		}
		number = number && (c >= '0' && c <= '9' || c == '.')
	}
	if _, err := netip.ParseAddr(host); number && err != nil {
		return fmt.Errorf("host %q is not an IPv4 address", host)
	}
	return nil
}

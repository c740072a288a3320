package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"spillway/job"
)

// joinConfig says which server the node joins by itself. The zero value joins none.
type joinConfig struct {
	Controller string   // HOST:PORT of the server; "": none
	Advertise  string   // HOST:PORT at which it reaches this node; "": as it sees the node
	Tags       []string // that a job may require
}

// newJoinFlags describes the flags of membership.
func newJoinFlags(fs *pflag.FlagSet, c *config, r *raw) {
	fs.StringVar(&c.Join.Controller, "controller", "", "HOST:PORT of a running server to join, without any machine.txt")
	fs.StringVar(&r.worker, "worker-name", "", "name under which to join --controller")
	fs.StringVar(&c.Join.Advertise, "advertise", "", "HOST:PORT at which --controller reaches this node (default: as it sees the node)")
	fs.StringSliceVar(&c.Join.Tags, "tags", nil, "words that a job may require of its nodes, as in gpu,lab-2")
}

// resolve checks the flags of membership, and gives the node its name.
func (j *joinConfig) resolve(r *raw, fs *pflag.FlagSet) error {
	for i, tag := range j.Tags {
		j.Tags[i] = strings.TrimSpace(tag)
	}
	slices.Sort(j.Tags)
	j.Tags = slices.Compact(j.Tags)
	if err := job.CheckTags(j.Tags); err != nil {
		return usage("--tags", err.Error(), job.HintOf(err))
	}
	if j.Controller == "" {
		for _, name := range []string{"worker-name", "advertise"} {
			if fs.Changed(name) {
				return usage("--"+name, "it needs a server to join", "name one with --controller HOST:PORT")
			}
		}
		return nil
	}
	switch {
	case r.worker != "":
		r.name = r.worker
	case !fs.Changed("name"):
		return usage("--worker-name", "it is missing", "give the node a name that no other node of that server has")
	}
	if host, err := checkAddress("--controller", j.Controller); err != nil || host == "" {
		return orMissingHost("--controller", j.Controller, err)
	}
	if j.Advertise == "" {
		return nil
	}
	host, err := checkAddress("--advertise", j.Advertise)
	if ip, bad := netip.ParseAddr(host); err != nil || host == "" || bad == nil && ip.IsUnspecified() {
		return orMissingHost("--advertise", j.Advertise, err)
	}
	return nil
}

// checkAddress gives the host of an address of a flag.
func checkAddress(flag, addr string) (host string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if n, numeric := strconv.ParseUint(port, 10, 16); err != nil || numeric != nil || n == 0 {
		return "", usage(fmt.Sprintf("%s %.80q", flag, addr), "it is not HOST:PORT", "write it as in 192.168.1.2:5000")
	}
	return host, nil
}

func orMissingHost(flag, addr string, err error) error {
	if err != nil {
		return err
	}
	return usage(fmt.Sprintf("%s %.80q", flag, addr), "it names no host", "write it as in 192.168.1.2:5000")
}

// listen is where a node that joins listens unless it is told: where its server can
// reach it, on a port that is free.
func (j *joinConfig) listen() string {
	host, _, _ := net.SplitHostPort(j.Controller)
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && ip.IsLoopback() {
		return "127.0.0.1:0"
	}
	return "0.0.0.0:0"
}

// registration is how a node that listens at addr joins.
func (j *joinConfig) registration(node job.NodeID, addr net.Addr) job.Registration {
	r := job.Registration{Node: node, Addr: j.Advertise, Tags: j.Tags}
	if r.Addr != "" {
		return r
	}
	host, port, _ := net.SplitHostPort(addr.String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = ""
	}
	r.Addr = net.JoinHostPort(host, port)
	return r
}

package peer

import (
	"context"
	"net"
	"net/rpc"
	"time"
)

func netRPC() Peer {
	return Peer{
		Name: "net/rpc", Module: "std", Network: "tcp", Serve: serveNetRPC, Dial: dialNetRPC,
		Note: "gob; one connection; no deadline or cancellation",
	}
}

// gobEcho is the service; its methods have the shape that net/rpc wants.
type gobEcho struct{}

// Echo answers data.
func (gobEcho) Echo(data []byte, answer *[]byte) error {
	*answer = data
	return nil
}

// After answers data when Delay has gone by.
func (gobEcho) After(data []byte, answer *[]byte) error {
	time.Sleep(Delay)
	*answer = data
	return nil
}

func serveNetRPC(l net.Listener) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Echo", gobEcho{}); err != nil {
		return err
	}
	server.Accept(l)
	return nil
}

func dialNetRPC(e Endpoint) (Client, error) {
	client, err := rpc.Dial(e.Network, e.Address)
	if err != nil {
		return nil, err
	}
	return netRPCClient{client}, nil
}

type netRPCClient struct{ client *rpc.Client }

// Caller implements Client.
func (c netRPCClient) Caller() (Caller, error) { return c, nil }

// Echo implements Caller.
func (c netRPCClient) Echo(_ context.Context, data []byte) ([]byte, error) {
	return c.call("Echo.Echo", data)
}

// After implements Caller.
func (c netRPCClient) After(_ context.Context, data []byte) ([]byte, error) {
	return c.call("Echo.After", data)
}

func (c netRPCClient) call(method string, data []byte) ([]byte, error) {
	var answer []byte
	err := c.client.Call(method, data, &answer)
	return answer, err
}

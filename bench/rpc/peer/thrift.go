package peer

import (
	"context"
	"net"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/gen-go/echo"
)

// thriftHandler is the service behind both servers that use Apache's generated
// code.
type thriftHandler struct{}

var _ echo.Echo = thriftHandler{}

// Ping implements echo.Echo.
func (thriftHandler) Ping(context.Context) error { return nil }

// Echo implements echo.Echo.
func (thriftHandler) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

// Item implements echo.Echo.
func (thriftHandler) Item(_ context.Context, item *echo.Item) (*echo.Item, error) { return item, nil }

// After implements echo.Echo.
func (thriftHandler) After(_ context.Context, data []byte, ms int64) ([]byte, error) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return data, nil
}

// Note implements echo.Echo.
func (thriftHandler) Note(context.Context, string) error { return nil }

func stockThrift() Peer {
	return Peer{
		Name: "stock Thrift", Module: "github.com/apache/thrift", Network: "tcp", Serve: serveStock, Dial: dialStock,
		Note: "framed binary over buffered; a connection a caller; ServerConnectivityCheckInterval as shipped (5 ms)",
	}
}

// stockFactories are framed over buffered, so that a small frame takes one write.
func stockFactories() (thrift.TTransportFactory, thrift.TProtocolFactory, *thrift.TConfiguration) {
	cfg := &thrift.TConfiguration{}
	transports := thrift.NewTFramedTransportFactoryConf(thrift.NewTBufferedTransportFactory(4096), cfg)
	return transports, thrift.NewTBinaryProtocolFactoryConf(cfg), cfg
}

func serveStock(l net.Listener) error {
	listener := thrift.NewTServerSocketFromFactoryTimeout(func(net.Addr) (net.Listener, error) { return l, nil }, l.Addr(), 0)
	transports, protocols, _ := stockFactories()
	return thrift.NewTSimpleServer4(echo.NewEchoProcessor(thriftHandler{}), listener, transports, protocols).Serve()
}

func dialStock(e Endpoint) (Client, error) { return stockClient{e.Address}, nil }

type stockClient struct{ address string }

// Caller implements Client.
func (c stockClient) Caller() (Caller, error) {
	transports, protocols, cfg := stockFactories()
	socket := thrift.NewTSocketConf(c.address, cfg)
	if err := socket.Open(); err != nil {
		return nil, err
	}
	transport, err := transports.GetTransport(socket)
	if err != nil {
		return nil, err
	}
	protocol := protocols.GetProtocol(transport)
	return stockCaller{echo.NewEchoClient(thrift.NewTStandardClient(protocol, protocol))}, nil
}

type stockCaller struct{ client *echo.EchoClient }

// Echo implements Caller.
func (c stockCaller) Echo(ctx context.Context, data []byte) ([]byte, error) {
	return c.client.Echo(ctx, data)
}

// After implements Caller.
func (c stockCaller) After(ctx context.Context, data []byte) ([]byte, error) {
	return c.client.After(ctx, data, Delay.Milliseconds())
}

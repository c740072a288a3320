package peer

import (
	"context"
	"log/slog"
	"net"
	"os"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

func spillway() Peer {
	return Peer{
		Name: Own, Network: "tcp", Serve: serveSpillway, Dial: dialSpillway,
		Note: "defaults; a connection for small calls, up to two for large ones",
	}
}

func spillwayUnix() Peer {
	p := spillway()
	p.Name, p.Network, p.Note = "spillway unix", "unix", "as spillway"
	return p
}

func spillwayTLS() Peer {
	p := spillway()
	p.Name, p.TLS, p.Note = "spillway TLS", true, "as spillway; TLS 1.3, ECDSA P-256"
	return p
}

func serveSpillway(l net.Listener) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server := mux.NewServer(mux.ServerConfig{}, echo.NewEchoProcessor(thriftHandler{}), log)
	return server.Serve(context.Background(), l)
}

func dialSpillway(e Endpoint) (Client, error) {
	dial, err := e.dialer()
	if err != nil {
		return nil, err
	}
	return spillwayClient{mux.NewPool(mux.PoolConfig{Dial: dial})}, nil
}

// spillwayClient makes a generated client for each call, as the program does.
type spillwayClient struct{ pool *mux.Pool }

// Caller implements Client.
func (c spillwayClient) Caller() (Caller, error) { return c, nil }

// Echo implements Caller.
func (c spillwayClient) Echo(ctx context.Context, data []byte) ([]byte, error) {
	return echo.NewEchoClient(c.pool).Echo(ctx, data)
}

// After implements Caller.
func (c spillwayClient) After(ctx context.Context, data []byte) ([]byte, error) {
	return echo.NewEchoClient(c.pool).After(ctx, data, Delay.Milliseconds())
}

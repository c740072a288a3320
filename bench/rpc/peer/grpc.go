package peer

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func grpcGo() Peer {
	return Peer{
		Name: Base, Module: "google.golang.org/grpc", Network: "tcp", Serve: serveGRPC, Dial: dialGRPC,
		Note: "one connection; default options but for message sizes; protobuf's BytesValue",
	}
}

// The methods' full names.
const (
	grpcEcho  = "/echo.Echo/Echo"
	grpcAfter = "/echo.Echo/After"
)

// grpcMethod is what protoc would generate for a method from bytes to bytes.
func grpcMethod(name string, delay time.Duration) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.BytesValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			if delay > 0 {
				time.Sleep(delay)
			}
			return in, nil
		},
	}
}

func serveGRPC(l net.Listener) error {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "echo.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{grpcMethod("Echo", 0), grpcMethod("After", Delay)},
	}, struct{}{})
	return server.Serve(l)
}

func dialGRPC(e Endpoint) (Client, error) {
	conn, err := grpc.NewClient("passthrough:///"+e.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)))
	if err != nil {
		return nil, err
	}
	return grpcClient{conn}, nil
}

type grpcClient struct{ conn *grpc.ClientConn }

// Caller implements Client.
func (c grpcClient) Caller() (Caller, error) { return c, nil }

// Echo implements Caller.
func (c grpcClient) Echo(ctx context.Context, data []byte) ([]byte, error) {
	return c.call(ctx, grpcEcho, data)
}

// After implements Caller.
func (c grpcClient) After(ctx context.Context, data []byte) ([]byte, error) {
	return c.call(ctx, grpcAfter, data)
}

func (c grpcClient) call(ctx context.Context, method string, data []byte) ([]byte, error) {
	out := new(wrapperspb.BytesValue)
	if err := c.conn.Invoke(ctx, method, &wrapperspb.BytesValue{Value: data}, out); err != nil {
		return nil, err
	}
	return out.GetValue(), nil
}

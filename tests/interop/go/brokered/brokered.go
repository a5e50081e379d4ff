// Package brokered has the services with which tests try further connections between a host and its plugin.
//
//	interop.Echo/Say          says who answers, and repeats
//	interop.Broker/DialBack   the plugin dials this number, asks Echo there, and gives the answer back
//	interop.Broker/Offer      the plugin accepts a number of its own and answers with it: Echo is served there
//	interop.Broker/Large      answers with so many bytes
//
// Every request and answer is a google.protobuf.StringValue.
package brokered

import (
	"context"
	"strconv"
	"strings"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Handshake is that of the hosts and plugins of these tests.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "grafana_plugin_type",
	MagicCookieValue: "datasource",
}

type answer func(ctx context.Context, request string) (string, error)

func service(name string, methods map[string]answer) *grpc.ServiceDesc {
	desc := &grpc.ServiceDesc{ServiceName: name, HandlerType: (*interface{})(nil)}
	for method, do := range methods {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: method,
			Handler: func(_ interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
				request := &wrapperspb.StringValue{}
				if err := decode(request); err != nil {
					return nil, err
				}
				text, err := do(ctx, request.Value)
				if err != nil {
					return nil, err
				}
				return wrapperspb.String(text), nil
			},
		})
	}
	return desc
}

// Call asks a method of this package's services.
func Call(ctx context.Context, conn *grpc.ClientConn, method, request string) (string, error) {
	reply := &wrapperspb.StringValue{}
	err := conn.Invoke(ctx, method, wrapperspb.String(request), reply)
	return reply.Value, err
}

// ServeEcho accepts a number and serves Echo there until the broker ends.
func ServeEcho(broker *plugin.GRPCBroker, number uint32, who string) {
	broker.AcceptAndServe(number, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		server.RegisterService(service("interop.Echo", map[string]answer{
			"Say": func(_ context.Context, request string) (string, error) {
				return who + " heard: " + request, nil
			},
		}), struct{}{})
		return server
	})
}

// AskEcho dials a number and asks Echo there.
func AskEcho(ctx context.Context, broker *plugin.GRPCBroker, number uint32, question string) (string, error) {
	conn, err := broker.Dial(number)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return Call(ctx, conn, "/interop.Echo/Say", question)
}

// Plugin is both sides of the plugin: a host is given a Client.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
}

// Client is what a host works with.
type Client struct {
	Broker *plugin.GRPCBroker
	Conn   *grpc.ClientConn
}

func (Plugin) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (interface{}, error) {
	return &Client{Broker: broker, Conn: conn}, nil
}

func (Plugin) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(service("interop.Broker", map[string]answer{
		"DialBack": func(ctx context.Context, request string) (string, error) {
			number, err := strconv.ParseUint(request, 10, 32)
			if err != nil {
				return "", err
			}
			return AskEcho(ctx, broker, uint32(number), "a question")
		},
		"Offer": func(context.Context, string) (string, error) {
			number := broker.NextId()
			go ServeEcho(broker, number, "the plugin")
			return strconv.FormatUint(uint64(number), 10), nil
		},
		"Large": func(_ context.Context, request string) (string, error) {
			size, err := strconv.Atoi(request)
			return strings.Repeat("x", size), err
		},
	}), struct{}{})
	return nil
}

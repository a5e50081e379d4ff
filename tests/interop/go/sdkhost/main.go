// A host of protocol version 2 on go-plugin and the messages of Grafana's SDK, for tests of our plugins.
//
//	sdkhost [-automtls] [-mux] COMMAND [ARGUMENT …] < calls
//
// Launches COMMAND as a plugin and makes the call that each line of its standard input asks for:
//
//	{"call":"Data/QueryData","request":{…}}  a method of pluginv2, the request as protobuf JSON
//	   "timeout":0.5                         cancels it after so many seconds
//	   "parts":5                             cancels it after so many messages of its answer
//	   "crash":5                             kills the plugin after so many
//	{"restart":true}                         stops the plugin and launches it anew
//
// It prints one JSON object a line: {"started":true} when a plugin runs, then for each message of an answer
// {"message":{…}} (its frames left out of it) with the {"rows":…} of its frames and {"frames":[…]} as the Go
// SDK reads and writes them, or for more than a megabyte only their {"bytes":…}; at the end of each call
// {"end":"OK"}, or the name of its status with {"text":…} and {"source":…}; and last, how long stopping took.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const summarized = 1 << 20 // bytes of an answer whose frames are not printed

type command struct {
	Call    string          `json:"call"`
	Request json.RawMessage `json:"request"`
	Timeout float64         `json:"timeout"`
	Parts   int             `json:"parts"`
	Crash   int             `json:"crash"`
	Restart bool            `json:"restart"`
}

type line map[string]any

var out = json.NewEncoder(os.Stdout)

func say(l line) {
	if err := out.Encode(l); err != nil {
		panic(err)
	}
}

func main() {
	var use launch
	flag.BoolVar(&use.autoMTLS, "automtls", false, "TLS with certificates made for each launch")
	flag.BoolVar(&use.mux, "mux", false, "a single connection")
	flag.Parse()
	use.command = flag.Args()
	client, to := use.start()
	commands := bufio.NewScanner(os.Stdin)
	commands.Buffer(nil, 64<<20)
	for commands.Scan() {
		var asked command
		if err := json.Unmarshal(commands.Bytes(), &asked); err != nil {
			panic(err)
		}
		if asked.Restart {
			client.Kill()
			client, to = use.start()
			continue
		}
		say(end(call(client, to, asked)))
	}
	began := time.Now()
	client.Kill()
	say(line{"stopped": time.Since(began).Seconds(), "exited": client.Exited()})
}

// launch is how plugins are started.
type launch struct {
	command       []string
	autoMTLS, mux bool
}

func (l launch) start() (*plugin.Client, *grpc.ClientConn) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey: grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins:    map[int]plugin.PluginSet{grpcplugin.ProtocolVersion: {"connection": connection{}}},
		Cmd:                 exec.Command(l.command[0], l.command[1:]...),
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true}),
		StartTimeout:        20 * time.Second,
		AutoMTLS:            l.autoMTLS,
		GRPCBrokerMultiplex: l.mux,
	})
	to, err := connect(client)
	if err != nil {
		say(line{"failed": err.Error()})
		client.Kill()
		os.Exit(1)
	}
	say(line{"started": true})
	return client, to
}

// connection is a go-plugin plugin that hands out the connection itself.
type connection struct{ plugin.NetRPCUnsupportedPlugin }

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is a host")
}

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, to *grpc.ClientConn) (any, error) {
	return to, nil
}

func connect(client *plugin.Client) (*grpc.ClientConn, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	if err := protocol.Ping(); err != nil {
		return nil, fmt.Errorf("ping: %w", err)
	}
	to, err := protocol.Dispense("connection")
	if err != nil {
		return nil, err
	}
	return to.(*grpc.ClientConn), nil
}

// call makes a call and prints its messages.
func call(client *plugin.Client, to *grpc.ClientConn, asked command) error {
	ctx, cancel := context.WithCancel(context.Background())
	if asked.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(asked.Timeout*float64(time.Second)))
	}
	defer cancel()
	service, name, _ := strings.Cut(asked.Call, "/")
	services := pluginv2.File_backend_proto.Services()
	described := services.ByName(protoreflect.Name(service)).Methods().ByName(protoreflect.Name(name))
	request := made(described.Input())
	if err := protojson.Unmarshal(asked.Request, request); err != nil {
		return err
	}
	path := "/pluginv2." + asked.Call
	if !described.IsStreamingServer() {
		answer := made(described.Output())
		if err := to.Invoke(ctx, path, request, answer); err != nil {
			return err
		}
		return tell(answer)
	}
	stream, err := to.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil {
		return err
	}
	for parts := 1; ; parts++ {
		answer := made(described.Output())
		if err := stream.RecvMsg(answer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := tell(answer); err != nil {
			return err
		}
		if parts == asked.Parts {
			cancel()
		}
		if parts == asked.Crash {
			if err := syscall.Kill(client.ReattachConfig().Pid, syscall.SIGKILL); err != nil {
				return err
			}
		}
	}
}

// made is an empty message of the kind described.
func made(kind protoreflect.MessageDescriptor) proto.Message {
	known, err := protoregistry.GlobalTypes.FindMessageByName(kind.FullName())
	if err != nil {
		panic(err)
	}
	return known.New().Interface()
}

// tell prints one message of an answer, and its frames as the Go SDK sees them.
func tell(answer proto.Message) error {
	printed := line{}
	bytes := proto.Size(answer)
	files := taken(answer)
	frames, err := data.UnmarshalArrowFrames(files)
	if err != nil {
		return err
	}
	if bytes > summarized {
		printed["bytes"] = bytes
	}
	var rows []int
	var texts []json.RawMessage
	for _, frame := range frames {
		rows = append(rows, frame.Rows())
		if bytes > summarized {
			continue
		}
		text, err := data.FrameToJSON(frame, data.IncludeAll)
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		return err
	}
	printed["message"] = json.RawMessage(text)
	if len(frames) > 0 {
		printed["rows"], printed["frames"] = rows, texts
	}
	say(printed)
	return nil
}

// taken are the frames of an answer, in the order of its refIds, taken out of it.
func taken(answer proto.Message) (files [][]byte) {
	switch answer := answer.(type) {
	case *pluginv2.QueryDataResponse:
		for _, refID := range slices.Sorted(maps.Keys(answer.Responses)) {
			files = append(files, answer.Responses[refID].Frames...)
			answer.Responses[refID].Frames = nil
		}
	case *pluginv2.QueryChunkedDataResponse:
		if answer.Frame != nil {
			files = [][]byte{answer.Frame}
			answer.Frame = nil
		}
	}
	return files
}

// end says how a call ended, as a host of Grafana would find out.
func end(err error) line {
	if err == nil {
		return line{"end": "OK"}
	}
	told := status.Convert(err)
	ended := line{"end": told.Code().String(), "text": told.Message()}
	if source, known := backend.ErrorSourceFromGrpcStatusError(context.Background(), err); known {
		ended["source"] = source
	}
	return ended
}

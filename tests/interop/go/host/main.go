// A host of protocol version 1 on the public modules, for tests of our plugins.
//
//	host [-automtls] [-mux] COMMAND [ARGUMENT …] < requests
//
// With the flags, it asks for TLS with certificates made for this run, and for one connection that carries all
// others, if its version of go-plugin can. Launches COMMAND as a plugin, sends each line of its standard input as one DatasourceRequest (protobuf
// JSON), and prints one JSON object a line: first {"started":…}, then an answer or an error for each
// request, and last how long stopping took and whether the process was gone after it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"

	"github.com/golang/protobuf/jsonpb"
	"github.com/grafana/grafana-plugin-model/go/datasource"
	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
)

type line map[string]interface{}

func say(l line) {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

// require switches on what old versions of go-plugin do not have.
func require(config *plugin.ClientConfig, option string) {
	field := reflect.ValueOf(config).Elem().FieldByName(option)
	if !field.IsValid() {
		fmt.Fprintln(os.Stderr, "this go-plugin has no "+option)
		os.Exit(2)
	}
	field.SetBool(true)
}

func main() {
	autoMTLS := flag.Bool("automtls", false, "TLS with certificates made for this run")
	mux := flag.Bool("mux", false, "one connection that carries all others")
	flag.Parse()
	if flag.NArg() < 1 {
		fmt.Fprintln(os.Stderr, "usage: host [-automtls] [-mux] COMMAND [ARGUMENT ...] < requests")
		os.Exit(2)
	}
	config := &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "grafana_plugin_type",
			MagicCookieValue: "datasource",
		},
		Plugins: map[string]plugin.Plugin{
			"interop-datasource": &datasource.DatasourcePluginImpl{},
		},
		Cmd:              exec.Command(flag.Arg(0), flag.Args()[1:]...),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true}),
		StartTimeout:     20 * time.Second,
	}
	if *autoMTLS {
		require(config, "AutoMTLS")
	}
	if *mux {
		require(config, "GRPCBrokerMultiplex")
	}
	client := plugin.NewClient(config)
	status := run(client)
	began := time.Now()
	client.Kill()
	say(line{"stopped": time.Since(began).Seconds(), "exited": client.Exited()})
	os.Exit(status)
}

func run(client *plugin.Client) int {
	protocol, err := client.Client()
	if err != nil {
		say(line{"failed": err.Error()})
		return 1
	}
	if err := protocol.Ping(); err != nil {
		say(line{"failed": "ping: " + err.Error()})
		return 1
	}
	raw, err := protocol.Dispense("interop-datasource")
	if err != nil {
		say(line{"failed": err.Error()})
		return 1
	}
	source := raw.(datasource.DatasourcePlugin)
	say(line{"started": true})

	requests := bufio.NewScanner(os.Stdin)
	requests.Buffer(nil, 64<<20)
	for requests.Scan() {
		var request datasource.DatasourceRequest
		if err := jsonpb.Unmarshal(strings.NewReader(requests.Text()), &request); err != nil {
			say(line{"error": "bad request line: " + err.Error()})
			continue
		}
		response, err := source.Query(context.Background(), &request)
		if err != nil {
			say(line{"error": err.Error()})
			continue
		}
		text, err := (&jsonpb.Marshaler{}).MarshalToString(response)
		if err != nil {
			say(line{"error": err.Error()})
			continue
		}
		say(line{"answer": json.RawMessage(text)})
	}
	return 0
}

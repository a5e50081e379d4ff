// A host that tries further connections, both ways; see package brokered.
//
//	brokerhost [-automtls] [-mux] COMMAND [ARGUMENT …]
//
// Launches COMMAND as a plugin and prints one JSON object a line: what the plugin said at a number of its own,
// what it heard at a number of ours, how many bytes of 50 million arrived, and how long stopping took.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"graftage.example/interop/brokered"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
)

func say(what string, result interface{}) {
	text, err := json.Marshal(map[string]interface{}{what: result})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	autoMTLS := flag.Bool("automtls", false, "TLS with certificates made for this run")
	mux := flag.Bool("mux", false, "one connection that carries all others")
	flag.Parse()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:     brokered.Handshake,
		Plugins:             map[string]plugin.Plugin{"broker": brokered.Plugin{}},
		Cmd:                 exec.Command(flag.Arg(0), flag.Args()[1:]...),
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true}),
		StartTimeout:        20 * time.Second,
		AutoMTLS:            *autoMTLS,
		GRPCBrokerMultiplex: *mux,
	})
	err := run(client)
	if err != nil {
		say("failed", err.Error())
	}
	began := time.Now()
	client.Kill()
	say("stopped", time.Since(began).Seconds())
	if err != nil {
		os.Exit(1)
	}
}

func run(client *plugin.Client) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	if err := protocol.Ping(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	raw, err := protocol.Dispense("broker")
	if err != nil {
		return err
	}
	brokering := raw.(*brokered.Client)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	offered, err := brokered.Call(ctx, brokering.Conn, "/interop.Broker/Offer", "")
	if err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	number, err := strconv.ParseUint(offered, 10, 32)
	if err != nil {
		return err
	}
	answer, err := brokered.AskEcho(ctx, brokering.Broker, uint32(number), "hello")
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	say("dialled", answer)

	for _, turn := range []string{"accepted", "accepted again"} {
		own := brokering.Broker.NextId()
		go brokered.ServeEcho(brokering.Broker, own, "the host")
		answer, err = brokered.Call(ctx, brokering.Conn, "/interop.Broker/DialBack", strconv.FormatUint(uint64(own), 10))
		if err != nil {
			return fmt.Errorf("%s: %w", turn, err)
		}
		say(turn, answer)
	}

	large, err := brokered.Call(ctx, brokering.Conn, "/interop.Broker/Large", "50000000")
	if err != nil {
		return fmt.Errorf("large: %w", err)
	}
	say("large", len(large))
	return nil
}

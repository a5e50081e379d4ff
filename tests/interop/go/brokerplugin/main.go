// A plugin whose calls lead to further connections, both ways; see package brokered.
package main

import (
	"graftage.example/interop/brokered"

	plugin "github.com/hashicorp/go-plugin"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: brokered.Handshake,
		Plugins:         map[string]plugin.Plugin{"broker": brokered.Plugin{}},
		GRPCServer:      plugin.DefaultGRPCServer,
	})
}

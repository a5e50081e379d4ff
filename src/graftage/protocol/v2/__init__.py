"""The messages of protocol version 2: Grafana 7 and later."""

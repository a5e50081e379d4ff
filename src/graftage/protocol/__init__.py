"""What crosses the wire between host and plugin: the handshake, the environment, log lines, messages."""

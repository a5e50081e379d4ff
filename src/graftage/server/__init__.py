"""The running server: HTTP in front of the plugins."""

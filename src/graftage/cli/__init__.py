"""The command line: one module a command, each a function that returns an exit status."""

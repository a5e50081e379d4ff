"""Live data: what plugins stream, to any number of subscribers."""

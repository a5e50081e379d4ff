"""Frames as Arrow files, read and written without an Arrow library (docs/adr/0009)."""

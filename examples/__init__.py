"""Plugins to learn from, and the demonstration that runs one of them."""

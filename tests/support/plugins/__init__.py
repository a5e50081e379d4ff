"""Plugins that do what a test tells them, each a program of its own when launched."""

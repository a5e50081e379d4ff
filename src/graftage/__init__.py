"""Grafana's backend plugin system in Python: a host for plugins, and an SDK to write them."""

from __future__ import annotations

__version__ = "0.1.0"

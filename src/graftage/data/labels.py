"""Labels: what tells one series from another of the same name."""

from __future__ import annotations

from collections.abc import Mapping


def labels_text(labels: Mapping[str, str]) -> str:
    """`dc=x, host=a`: pairs sorted by key. Source: grafana-plugin-sdk-go, data/labels.go `String`."""
    return ", ".join(f"{key}={labels[key]}" for key in sorted(labels))

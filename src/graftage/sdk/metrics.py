"""Numbers about a running plugin, as Prometheus reads them.

    requests = self.metrics.counter("acme_requests_total", "Questions to the station.", labels=("station",))
    requests.add(station="EDDB")

Only what plugins need: counters and gauges. Who wants more uses `prometheus_client`; what is registered there
is shown beside these.

Source: Prometheus' documentation, "Exposition formats" (the text format).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from threading import Lock
from typing import Any, Literal

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

Kind = Literal["counter", "gauge"]


class Metric:
    """One number for each combination of its labels' values. May be used from any thread."""

    def __init__(self, name: str, help_text: str, kind: Kind, labels: Sequence[str]) -> None:
        self.name, self.help, self.kind, self.labels = name, help_text, kind, tuple(labels)
        self._lock = Lock()
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, amount: float = 1, **labels: object) -> None:
        """Raises ValueError for labels other than those of the metric, and for a counter that would sink."""
        if amount < 0 and self.kind == "counter":
            raise ValueError(f"counter {self.name} cannot sink by {-amount}; use a gauge")
        key = self._key(labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def set(self, value: float, **labels: object) -> None:
        """Raises ValueError for labels other than those of the metric, and for a counter."""
        if self.kind == "counter":
            raise ValueError(f"counter {self.name} cannot be set; add to it, or use a gauge")
        key = self._key(labels)
        with self._lock:
            self._values[key] = float(value)

    def text(self) -> str:
        with self._lock:
            values = sorted(self._values.items())
        help_text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        lines = [f"# HELP {self.name} {help_text}", f"# TYPE {self.name} {self.kind}"]
        lines += [f"{self.name}{_braces(self.labels, key)} {_number(value)}" for key, value in values]
        return "\n".join(lines) + "\n"

    def _key(self, labels: dict[str, object]) -> tuple[str, ...]:
        if labels.keys() != set(self.labels):
            raise ValueError(
                f"metric {self.name} has the labels {list(self.labels)}, and got {sorted(labels)}; give each"
            )
        return tuple(str(labels[name]) for name in self.labels)


class Metrics:
    """The metrics of one plugin."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._lock = Lock()

    def counter(self, name: str, help_text: str = "", *, labels: Sequence[str] = ()) -> Metric:
        """The counter of this name; made when first asked for. It only grows, and its name ends in `_total`
        by custom."""
        return self._metric(name, help_text, "counter", labels)

    def gauge(self, name: str, help_text: str = "", *, labels: Sequence[str] = ()) -> Metric:
        """The gauge of this name; made when first asked for. It may rise and fall."""
        return self._metric(name, help_text, "gauge", labels)

    def text(self) -> str:
        """All metrics in the text format, by name."""
        with self._lock:
            metrics = sorted(self._metrics.values(), key=lambda metric: metric.name)
        return "".join(metric.text() for metric in metrics)

    def _metric(self, name: str, help_text: str, kind: Kind, labels: Sequence[str]) -> Metric:
        wrong = [label for label in labels if not _LABEL.fullmatch(label)]
        if not _NAME.fullmatch(name) or wrong:
            raise ValueError(
                f"metric {name!r} with labels {list(labels)} has a name that Prometheus does not know; "
                "expected letters, digits and underscores"
            )
        with self._lock:
            known = self._metrics.setdefault(name, Metric(name, help_text, kind, labels))
        if (known.kind, known.labels) != (kind, tuple(labels)):
            raise ValueError(
                f"metric {name} is a {known.kind} with labels {list(known.labels)} already; it cannot be a "
                f"{kind} with labels {list(labels)} as well"
            )
        return known


PLUGIN_METRICS = Metrics()  # of this process, which is one plugin


def author_metrics() -> str:
    """What the author registered with `prometheus_client`, where that library is in use; else empty."""
    import sys

    library: Any = sys.modules.get("prometheus_client")
    if library is None:
        return ""
    text: bytes = library.generate_latest(library.REGISTRY)
    return text.decode()


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")

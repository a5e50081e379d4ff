"""Counters and gauges, and how Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from graftage.sdk.metrics import Metrics
from graftage.sdk.process_metrics import process_metrics


def test_metrics_are_written_by_name_with_their_labels() -> None:
    metrics = Metrics()
    requests = metrics.counter("requests_total", "All requests.", labels=("city", "ok"))
    requests.add(city="Köln", ok=True)
    requests.add(2, city="Köln", ok=True)
    requests.add(0.5, city='a"b\\c\nd', ok=False)
    metrics.gauge("heat", "Now,\nin °C").set(-1.5)
    metrics.counter("empty_total", labels=("x",))

    assert metrics.text() == (
        "# HELP empty_total \n"
        "# TYPE empty_total counter\n"
        "# HELP heat Now,\\nin °C\n"
        "# TYPE heat gauge\n"
        "heat -1.5\n"
        "# HELP requests_total All requests.\n"
        "# TYPE requests_total counter\n"
        'requests_total{city="Köln",ok="True"} 3\n'
        'requests_total{city="a\\"b\\\\c\\nd",ok="False"} 0.5\n'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"), (1e21, "1" + "0" * 21)],
)
def test_numbers_that_are_no_usual_ones_have_names(value: float, text: str) -> None:
    metrics = Metrics()
    metrics.gauge("g").set(value)

    assert metrics.text().splitlines()[-1] == f"g {text}"


def test_a_metric_asked_for_again_is_the_same() -> None:
    metrics = Metrics()

    assert metrics.counter("n_total") is metrics.counter("n_total")


@pytest.mark.parametrize(
    ("use", "complaint"),
    [
        (lambda metrics: metrics.counter("no-name"), "'no-name'"),
        (lambda metrics: metrics.counter("n", labels=("__x",)), "'__x'"),
        (lambda metrics: metrics.gauge("known_total"), "known_total is a counter .* it cannot be a gauge"),
        (lambda metrics: metrics.counter("known_total", labels=("a",)), r"with labels \['a'\]"),
        (lambda metrics: metrics.counter("known_total").add(-1), "cannot sink by 1"),
        (lambda metrics: metrics.counter("known_total").set(1), "cannot be set"),
        (lambda metrics: metrics.counter("known_total").add(city="Köln"), r"labels \[\], and got \['city'\]"),
    ],
)
def test_a_metric_used_in_a_wrong_way_says_so(use: Callable[[Metrics], object], complaint: str) -> None:
    metrics = Metrics()
    metrics.counter("known_total")

    with pytest.raises(ValueError, match=complaint):
        use(metrics)


def test_threads_lose_no_count() -> None:
    counter = Metrics().counter("n_total")
    threads = [threading.Thread(target=lambda: [counter.add() for _ in range(1_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counter.text().splitlines()[-1] == "n_total 8000"


def test_the_process_tells_time_memory_and_files() -> None:
    told = dict(line.rsplit(" ", 1) for line in process_metrics().splitlines() if not line.startswith("#"))

    assert float(told["process_cpu_seconds_total"]) > 0
    assert float(told["process_resident_memory_bytes"]) > 1_000_000
    assert 0 < float(told["process_open_fds"]) < float(told["process_max_fds"])
    assert float(told["process_start_time_seconds"]) > 1_500_000_000


@pytest.mark.parametrize(("library", "shown"), [("prometheus_client", "True"), ("json", "False")])
def test_what_an_author_counts_with_prometheus_client_is_shown_if_it_is_used(
    library: str, shown: str
) -> None:
    program = (
        f"import {library}\nfrom graftage.sdk.metrics import author_metrics\nprint(bool(author_metrics()))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == shown

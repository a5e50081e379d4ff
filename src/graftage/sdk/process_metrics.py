"""What every Prometheus client tells of its process: processor time, memory, open files.

Source: Prometheus' documentation, "Writing client libraries" (process metrics); Linux, proc(5).
"""

from __future__ import annotations

import os
import platform
import resource
import threading
from pathlib import Path

from graftage.sdk.metrics import Metrics

_PROC = Path("/proc/self")
_STARTED = 19  # fields of `stat` behind the name, counted from the process' state
_VIRTUAL, _RESIDENT = 20, 21


def process_metrics() -> str:
    """The numbers of now, in Prometheus' text format. Where the system keeps no `/proc`, some are missing."""
    metrics = Metrics()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    metrics.gauge("process_threads", "Python's threads.").set(threading.active_count())
    metrics.gauge("python_info", "Python platform information", labels=("implementation", "version")).set(
        1, implementation=platform.python_implementation(), version=platform.python_version()
    )
    metrics.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").add(
        usage.ru_utime + usage.ru_stime
    )
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    metrics.gauge("process_max_fds", "Maximum number of open file descriptors.").set(limit)
    _read_proc(metrics)
    return metrics.text()


def _read_proc(metrics: Metrics) -> None:
    try:
        fields = (_PROC / "stat").read_text().rpartition(")")[2].split()
        open_files = len(os.listdir(_PROC / "fd"))
        booted = next(
            float(line.split()[1])
            for line in (_PROC.parent / "stat").read_text().splitlines()
            if line.startswith("btime ")
        )
    except (OSError, StopIteration):
        return
    started = booted + int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
    resident = int(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    for name, text, value in (
        ("process_open_fds", "Number of open file descriptors.", open_files),
        ("process_resident_memory_bytes", "Resident memory size in bytes.", resident),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", int(fields[_VIRTUAL])),
        ("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", started),
    ):
        metrics.gauge(name, text).set(value)

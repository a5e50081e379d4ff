"""`serve`: everything between starting a plugin's file and its last answer.

This module is light: what needs gRPC is loaded when it is certain that there is a host to talk to.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graftage.sdk import stdout

if TYPE_CHECKING:
    import grpc

UNLIMITED = -1


def serve(
    target: object = None,
    /,
    *,
    query: Callable[..., Any] | None = None,
    receive_bytes: int = UNLIMITED,
    outlive_host: bool = False,
    redirect_stderr: bool = False,
) -> None:
    """Serve data sources to the host that started this program, until it says stop.

    target: a class with handlers, of which an object is made for each configured data source; an object
    that serves them all; or a text `"package.module:Class"`, which is imported once the host has been
    answered, so that heavy imports do not hold up the start. query: a single function, instead of a target.
    receive_bytes: the largest request taken; -1 for no limit. outlive_host: go on serving when the process
    that launched this one is gone, for a launcher that leaves its plugins running on purpose; only `Shutdown`
    or a signal ends the plugin then. redirect_stderr: send what the program writes to `sys.stderr` to the
    host as printed errors, apart from the log, as Go plugins do; Grafana discards them.

    Returns when the host has asked for the end, or is gone (unless `outlive_host`), so that code after it can
    clean up. SIGTERM and SIGHUP stop as orderly, but end the program with status 143 and 129. When nothing
    can be served, or the program was not started by a host, it ends with status 1 and an explanation on
    stderr.
    """
    if (target is None) == (query is None):
        raise TypeError("serve() takes a class, an object or a text 'module:Class', or else query=function")
    _leave_without_host()
    with _uncollected():
        from graftage.sdk.plugin import Plugin
        from graftage.sdk.handlers import FunctionSource
        from graftage.sdk.running import run

    served = target if query is None else FunctionSource(query)
    run(
        lambda: Plugin(served),
        receive_bytes=receive_bytes,
        outlive_host=outlive_host,
        redirect_stderr=redirect_stderr,
    )


def serve_services(
    versions: Mapping[int, Sequence[grpc.GenericRpcHandler[bytes, bytes]]],
    *,
    receive_bytes: int = UNLIMITED,
    outlive_host: bool = False,
    redirect_stderr: bool = False,
) -> None:
    """Serve gRPC services of one's own beside those of the plugin system, as `serve` does.

    versions: what is served under each version of the application protocol; the host's choice decides.
    receive_bytes, outlive_host, redirect_stderr: as of `serve`.
    """
    _leave_without_host()
    with _uncollected():
        from graftage.sdk.running import Services, run

    run(
        lambda: Services(versions),
        receive_bytes=receive_bytes,
        outlive_host=outlive_host,
        redirect_stderr=redirect_stderr,
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import without looking for garbage: what is loaded stays, and looking takes a tenth of the start."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def _leave_without_host() -> None:
    """End the program if it was started for its version, or by hand."""
    from graftage.sdk.by_hand import explanation, switch_answer

    script = sys.argv[0] if sys.argv else ""
    answer = switch_answer(sys.argv[1:], script)
    if answer is not None:
        terminal = stdout.take().original if stdout.launched_by_host() else stdout.STDOUT
        os.write(terminal, f"{answer}\n".encode())
        raise SystemExit(0)
    if not stdout.launched_by_host():
        sys.stderr.write(explanation(script, sys.executable))
        raise SystemExit(1)

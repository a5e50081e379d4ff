"""`serve`: everything between starting a plugin's file and its last answer.

This module is light: what needs gRPC is loaded when it is certain that there is a host to talk to.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from graftage.sdk import stdout

if TYPE_CHECKING:
    import grpc

    from graftage.sdk.running import Application

    Run = Callable[[Callable[[], Application]], None]

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

    The program's flags can ask for another way to serve: `--listen` on the network, `-standalone` under a
    debugger.

    Returns when the host has asked for the end, or is gone (unless `outlive_host`), so that code after it can
    clean up. SIGTERM and SIGHUP stop as orderly, but end the program with status 143 and 129. When nothing
    can be served, or the program was not started by a host, it ends with status 1 and an explanation on
    stderr.
    """
    if (target is None) == (query is None):
        raise TypeError("serve() takes a class, an object or a text 'module:Class', or else query=function")
    way = _way()
    with _uncollected():
        from graftage.sdk.handlers import FunctionSource
        from graftage.sdk.plugin import Plugin

        served = target if query is None else FunctionSource(query)
        run = way(_Options(receive_bytes, outlive_host, redirect_stderr))
    run(lambda: Plugin(served))


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
    way = _way()
    with _uncollected():
        from graftage.sdk.running import Services

        run = way(_Options(receive_bytes, outlive_host, redirect_stderr))
    run(lambda: Services(versions))


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


class _Options(NamedTuple):
    receive_bytes: int
    outlive_host: bool
    redirect_stderr: bool


def _way() -> Callable[[_Options], Run]:
    """How this program was asked to serve. Ends it if it was started for its version, as the stand-in of a
    plugin that runs already, or by hand.
    """
    from graftage.sdk import by_hand, stand_in

    script = sys.argv[0] if sys.argv else ""
    arguments = sys.argv[1:]
    answer = by_hand.switch_answer(arguments, script)
    if answer is not None:
        os.write(_terminal(), f"{answer}\n".encode())
        raise SystemExit(0)
    if by_hand.wants_to_stand_alone(arguments):
        return _standing_alone
    if by_hand.wants_the_network(arguments, os.environ, launched=stdout.launched_by_host()):
        return _on_the_network
    if there := stand_in.stand_alone_plugin(by_hand.folder_of(script), os.environ):
        stand_in.stand_in(*there, _terminal())
        raise SystemExit(0)
    if not stdout.launched_by_host():
        sys.stderr.write(by_hand.explanation(script, sys.executable, arguments))
        raise SystemExit(1)
    return _for_a_host


def _for_a_host(options: _Options) -> Run:
    from graftage.sdk.running import run

    return partial(run, **options._asdict())


def _standing_alone(options: _Options) -> Run:
    from graftage.sdk.standalone import run_standalone

    return partial(run_standalone, receive_bytes=options.receive_bytes, script=sys.argv[0])


def _on_the_network(options: _Options) -> Run:
    from graftage.sdk.network import run_on_network

    return partial(run_on_network, receive_bytes=options.receive_bytes, arguments=sys.argv[1:])


def _terminal() -> int:
    """The descriptor of what was stdout when the program began."""
    return stdout.take().original if stdout.launched_by_host() else stdout.STDOUT

"""Why and when a plugin stops, and that it does.

    SIGTERM, SIGHUP            stop orderly, exit with 128 + the signal's number
    Shutdown, launcher gone    stop orderly, `serve` returns; a launcher may be outlived on request
    SIGINT                     ignored: Ctrl-C in a terminal reaches host and plugin, and the host decides
    SIGQUIT                    write every thread's stack to stderr, die of it

Whatever an author's code does in the meantime, such as blocking the event loop, the process is gone within
`STOP_SECONDS` of being asked: a host waits two seconds before it kills.

Source: hashicorp/go-plugin, server.go (`Serve`), which dies of SIGTERM and outlives its host.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from graftage.errors import GraftageError
from graftage.sdk import launcher

STOP_SECONDS = 1.8
PARENT_POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class Stop:
    """The request to stop. Asked for from signal handlers, threads and calls; waited for by the event loop.

    outlive_host: the end of the launcher is none of ours.
    last_resort: called in a thread just before the process is ended by force.
    """

    def __init__(self, *, outlive_host: bool = False) -> None:
        self._outlive_host = outlive_host
        self.exit_status = 0
        self.last_resort: Callable[[], None] = _nothing_to_do
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        self._reason = ""
        self._interrupts = 0
        self._wake_reader, self._wake_writer = os.pipe()
        self._served = threading.Event()
        self._handlers_before: dict[signal.Signals, Any] = {}

    @property
    def reason(self) -> str:
        return self._reason

    def request(self, reason: str, *, exit_status: int = 0) -> None:
        """Ask to stop, now. May be called anywhere and repeatedly; the first reason counts."""
        if self._reason:
            return
        self._reason, self.exit_status = reason, exit_status
        os.write(self._wake_writer, b"!")  # no lock: a signal may arrive while this thread holds any
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._asked.set)

    async def wait(self) -> None:
        """Return when the plugin is to stop."""
        await self._asked.wait()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let requests wake this loop; earlier ones do so now."""
        self._loop = loop
        if self._reason:
            self._asked.set()

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Run the block as all there is to the program: what it raises is told on stderr. Raises SystemExit
        when the program is to end with a status.
        """
        try:
            yield
        except GraftageError as error:
            log.error("the plugin cannot serve: %s", error)  # noqa: TRY400 - it says all there is to say
            raise SystemExit(1) from None
        except Exception:
            log.exception("the plugin cannot serve")
            raise SystemExit(1) from None
        finally:
            self.served()
        if self.exit_status:
            raise SystemExit(self.exit_status)

    def served(self) -> None:
        """The orderly stop is complete: nothing is ended by force any more, and signals to end are the
        author's again."""
        self._served.set()
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def watch(self) -> None:
        """Start the thread that notices when the launcher is gone, and that a stop takes too long."""
        threading.Thread(target=self._watch, name="graftage-stop", daemon=True).start()

    def handle_signals(self) -> None:
        """Take over the signals named above. Does nothing outside of the main thread, which alone may."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers_before[number] = signal.signal(number, self._on_termination)
        signal.signal(signal.SIGINT, self._on_interrupt)
        import faulthandler

        faulthandler.register(signal.SIGQUIT, file=sys.__stderr__ or 2, all_threads=True, chain=True)

    def _on_termination(self, number: int, _: FrameType | None) -> None:
        self.request(f"signal {signal.Signals(number).name}", exit_status=128 + number)

    def _on_interrupt(self, number: int, _: FrameType | None) -> None:
        self._interrupts += 1
        # Logging right here could wait for a lock that the interrupted code holds.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_log_interrupt, self._interrupts)

    def _watch(self) -> None:
        while not self._reason:
            select.select([self._wake_reader], [], [], PARENT_POLL_SECONDS)
            if not self._outlive_host and launcher.is_gone():
                self.request("the process that launched this plugin is gone")
        if not self._served.wait(STOP_SECONDS):
            log.error("the plugin did not stop within %s s of %s and is ended", STOP_SECONDS, self._reason)
            self.last_resort()
            os._exit(self.exit_status or 1)


def _nothing_to_do() -> None:
    pass


def _log_interrupt(count: int) -> None:
    log.debug("SIGINT is ignored; the host decides when this plugin ends", extra={"count": count})

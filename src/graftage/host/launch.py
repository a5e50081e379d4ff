"""Starting one plugin: `async with launch(...) as plugin:` is one process, gone when the block ends.

Source for the order of things: hashicorp/go-plugin, client.go (`Start`, `Kill`). What the reference leaves
open is bounded here: connecting, asking to stop, stopping, and waiting for output that a grandchild holds
open.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from graftage.errors import HandshakeError, PluginFault
from graftage.host import connection
from graftage.host.client import PluginClient
from graftage.host.diagnosis import explain_refusal, explain_silence
from graftage.host.exit_status import ExitStatus
from graftage.host.last_steps import to_the_end
from graftage.host.launch_options import LaunchOptions
from graftage.host.output import FIRST_LINE_BYTES, Announcement, PluginOutput
from graftage.host.process import KILL_SECONDS, NotExecuted, PluginProcess, run_process
from graftage.host.stopping import stop, terminate
from graftage.protocol.environment import plugin_environment
from graftage.protocol.handshake import (
    Handshake,
    MalformedHandshake,
    UnexpectedCertificate,
    parse_handshake,
    quoted,
)
from graftage.protocol.log_record import read_log_line

__all__ = ["LaunchOptions", "RunningPlugin", "StartFailed", "launch"]

OFFERED_VERSIONS = (1,)

# The end of a process, of its output and of its connection are known within moments of each other.
_SETTLE_SECONDS = 0.25
_PRINTED_SECONDS = 1.0  # to read what is left of a stream whose other end is gone
_QUOTED_LINES = 10  # of stderr, in an error's text; its attribute has all that are kept
_QUOTED_CHARACTERS = 400


class StartFailed(PluginFault):
    """The plugin was not brought to answer calls; nothing of it is left.

    exit_status: how its process ended, None if the host had to end it. stderr_tail: the last it had to say.
    The cause is a HandshakeError if its first line was wrong.
    """

    def __init__(
        self, message: str, *, exit_status: ExitStatus | None = None, stderr_tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.stderr_tail = stderr_tail


class RunningPlugin:
    """A plugin that answers calls, until it exits. version: the application protocol it speaks."""

    def __init__(
        self, process: PluginProcess, client: PluginClient, version: int, output: PluginOutput
    ) -> None:
        self.client = client
        self.version = version
        self._process = process
        self._output = output

    @property
    def pid(self) -> int:
        """The plugin's own process."""
        return self._process.pid

    @property
    def exited(self) -> asyncio.Event:
        """Set as soon as the process is known to have ended."""
        return self._process.exited

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines it wrote to stderr, oldest first."""
        return self._output.stderr_tail

    async def wait_exit(self) -> ExitStatus:
        """How the process ended, once it has; also when the host ends it because it cannot be reached."""
        await self._process.exited.wait()
        return self._process.exit.result()


class _NotRunning(Exception):
    """Why a start cannot go on, if not for the handshake's words. about_file: the file may be at fault."""

    def __init__(self, reason: str, *, about_file: bool = False) -> None:
        super().__init__(reason)
        self.about_file = about_file


@asynccontextmanager
async def launch(
    executable: Path,
    *,
    plugin_id: str,
    options: LaunchOptions,
    logger: logging.Logger,
    interpreter: str = "",
) -> AsyncIterator[RunningPlugin]:
    """Start a plugin and connect to it. When the block ends, however it ends, its process, its descendants
    and its socket are gone; that takes `stop_grace` + `term_grace` + 2 seconds at worst.

    interpreter: the program that reads `executable`; empty when the system runs that itself. logger: the
    host's; the plugin's records go to its child named by the executable. Raises StartFailed.
    """
    logger = logger.getChild(executable.name)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + options.start_timeout
    async with AsyncExitStack() as stack:
        process = await _execute(stack, executable, interpreter, plugin_id, options)
        process.exit.add_done_callback(lambda _: _log_exit(process, executable, plugin_id, logger))
        output = PluginOutput(process, plugin_id, options, logger)
        stack.push_async_callback(output.close)
        stack.callback(process.kill)  # a start that fails or is cancelled ends here, a good end before this
        try:
            handshake = await _read_handshake(process, output.announcement, deadline - loop.time())
            if path := connection.socket_path(handshake):
                process.remove_at_end(path)
            channel = await stack.enter_async_context(
                connection.open_channel(handshake, receive_bytes=options.receive_bytes)
            )
            limit = max(deadline - loop.time(), options.connect_timeout)
            await _connect(process, channel, handshake, limit, logger)
        except (HandshakeError, _NotRunning) as error:
            raise await _start_failed(error, executable, plugin_id, process, output) from error
        await stack.enter_async_context(_standing(process, channel, handshake, output, options, logger))
        client = PluginClient(plugin_id, channel, process.exit)
        yield RunningPlugin(process, client, handshake.version, output)


async def _execute(
    stack: AsyncExitStack, executable: Path, interpreter: str, plugin_id: str, options: LaunchOptions
) -> PluginProcess:
    """Start the program, to be ended with the stack."""
    folder = options.socket_dir and options.socket_dir.absolute() / f"plugin-dir{secrets.token_hex(4)}"
    environment = plugin_environment(
        os.environ,
        options.environment,
        versions=OFFERED_VERSIONS,
        inherit=options.inherit_environment,
        socket_dir=str(folder) if folder else None,
    )
    try:
        async with asyncio.timeout(options.start_timeout):
            return await stack.enter_async_context(
                run_process(executable, environment, folder=folder, interpreter=interpreter)
            )
    except NotExecuted as error:
        reason = explain_refusal(executable, error.number)
        if error.step != "exec":
            reason = f"the system refused {error}"
        if error.step == "mkdir":
            reason = f"the folder for its sockets, {folder}, cannot be made: {os.strerror(error.number)}"
        raise StartFailed(f"plugin {plugin_id!r} did not start: {reason}") from error
    except (OSError, TimeoutError) as error:
        raise StartFailed(
            f"plugin {plugin_id!r} did not start: this host could not start a process: "
            f"{error or 'it took too long'}; look at its limits (ulimit -a)"
        ) from error


async def _read_handshake(process: PluginProcess, stdout: Announcement, timeout: float) -> Handshake:
    """Wait for the first line on stdout. Raises HandshakeError for a wrong one, _NotRunning for none."""
    await _first_of(stdout.line, process.exit, timeout=timeout)
    if not stdout.line.done() and process.exit.done():
        await _first_of(stdout.line, timeout=_SETTLE_SECONDS)  # what it wrote before is still to be read
    if not stdout.line.done():
        if process.exit.done():
            raise _NotRunning(f"it exited before the handshake with {process.exit.result()}", about_file=True)
        begun = f"; it printed {quoted(stdout.begun)} without a line end" if stdout.begun else ""
        raise _NotRunning(
            f"it printed no handshake line within the start timeout{begun}; a plugin prints the line, with "
            "its line end, and flushes it, as soon as it listens",
            about_file=True,
        )
    line = stdout.line.result()
    if line is None:
        await _first_of(process.exit, timeout=_SETTLE_SECONDS)
        if process.exit.done():
            raise _NotRunning(f"it exited before the handshake with {process.exit.result()}", about_file=True)
        raise MalformedHandshake("it closed its stdout without a handshake line; nothing was read")
    if len(line) >= FIRST_LINE_BYTES:
        raise MalformedHandshake(f"expected a handshake, got a first line of 64 KiB or more: {quoted(line)}")
    handshake = parse_handshake(line, offered=OFFERED_VERSIONS)
    if handshake.certificate is not None:
        raise UnexpectedCertificate(
            f"the plugin sent a certificate, but this host did not ask for TLS (got {quoted(line)}); "
            "leave the sixth field empty unless PLUGIN_CLIENT_CERT is set"
        )
    return handshake


async def _connect(
    process: PluginProcess,
    channel: grpc.aio.Channel,
    handshake: Handshake,
    timeout: float,
    logger: logging.Logger,
) -> None:
    """Wait until the plugin answers calls. Raises _NotRunning."""
    where = f"{handshake.network} {handshake.address}"
    until = asyncio.get_running_loop().time() + timeout
    ready = asyncio.ensure_future(channel.channel_ready())
    try:
        await _first_of(ready, process.exit, timeout=timeout)
        if not ready.done() and not process.exit.done():
            gone = connection.is_gone(handshake)
            why = "there is no such socket" if gone else "nothing there answers as a gRPC server does"
            raise _NotRunning(f"the host cannot connect to {where} within {timeout:.1f} s: {why}")
    finally:
        ready.cancel()
    try:
        left = max(until - asyncio.get_running_loop().time(), 0.1)
        if not process.exit.done() and not await connection.check_answers(channel, timeout=left):
            logger.warning("the plugin answers, but does not say that it is serving")
    except connection.NoAnswer as error:
        await _first_of(process.exit, timeout=_SETTLE_SECONDS)
        if not process.exit.done():
            raise _NotRunning(
                f"it accepts connections on {where} but answers no call: {error}; "
                "its server does not run, or hangs"
            ) from error
    if process.exit.done():
        raise _NotRunning(f"it exited after the handshake with {process.exit.result()}")


async def _start_failed(
    error: HandshakeError | _NotRunning,
    executable: Path,
    plugin_id: str,
    process: PluginProcess,
    output: PluginOutput,
) -> StartFailed:
    """End the process; then tell all that is known of its failure."""
    malformed = isinstance(error, MalformedHandshake)
    if isinstance(error, HandshakeError):
        # A stray first line often comes from a program that is just about to die; its status helps.
        await _first_of(process.exit, timeout=_SETTLE_SECONDS)
    status = process.exit.result() if process.exit.done() else None
    process.kill()
    await process.gone(timeout=KILL_SECONDS)
    await output.close()
    parts = [f"plugin {plugin_id!r} did not start: {error}"]
    if isinstance(error, HandshakeError) and status:
        parts.append(f"it exited with {status}")
    last = [_message(line)[:_QUOTED_CHARACTERS] for line in output.stderr_tail[-_QUOTED_LINES:]]
    parts.append("the last on its stderr: " + " / ".join(last) if last else "it wrote nothing to stderr")
    if malformed or (isinstance(error, _NotRunning) and error.about_file):
        parts.append(explain_silence(executable, said_why=bool(last)))
    return StartFailed("; ".join(parts), exit_status=status, stderr_tail=output.stderr_tail)


def _message(line: str) -> str:
    """What a line on stderr says to a person: of a log record, its message."""
    return read_log_line(line.encode(), panicking=False)[0].message


@asynccontextmanager
async def _standing(
    process: PluginProcess,
    channel: grpc.aio.Channel,
    handshake: Handshake,
    output: PluginOutput,
    options: LaunchOptions,
    logger: logging.Logger,
) -> AsyncIterator[None]:
    """What goes on beside a plugin that runs: its standing streams and the watch. In the end, stops it."""
    broker = asyncio.ensure_future(connection.hold_broker(channel, logger))
    printed = asyncio.ensure_future(connection.copy_output(channel, output.printed, output.pace, logger))
    watch = asyncio.ensure_future(_end_when_lost(process, channel, handshake, options, logger))

    async def end() -> None:
        for task in (watch, broker):
            task.cancel()
        await stop(process, channel, grace=options.stop_grace, term_grace=options.term_grace, logger=logger)
        # What it printed last may still be on its way.
        await _first_of(printed, timeout=_PRINTED_SECONDS)
        printed.cancel()
        results = await asyncio.gather(watch, broker, printed, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                logger.error("a task beside the plugin broke", exc_info=error)

    try:
        yield
    finally:
        await to_the_end(end(), hurry=process.kill)


async def _end_when_lost(
    process: PluginProcess,
    channel: grpc.aio.Channel,
    handshake: Handshake,
    options: LaunchOptions,
    logger: logging.Logger,
) -> None:
    """A plugin that nobody can reach is as good as dead: end it, so that it is started again."""
    why = await connection.watch(channel, handshake, patience=options.reconnect_timeout)
    await _first_of(process.exit, timeout=_SETTLE_SECONDS)
    if process.exit.done():
        return
    logger.error("process %d is ended: %s", process.pid, why)
    process.why = why
    if not await terminate(process, options.term_grace):
        process.kill()


async def _first_of(*futures: asyncio.Future[Any], timeout: float) -> None:
    """Wait until one of them is done, for a limited time; none is cancelled."""
    await asyncio.wait(futures, timeout=max(0.0, timeout), return_when=asyncio.FIRST_COMPLETED)


def _log_exit(process: PluginProcess, executable: Path, plugin_id: str, logger: logging.Logger) -> None:
    status = process.exit.result()
    expected = status.clean or (process.told_to_end and not status.why)
    logger.log(
        logging.INFO if expected else logging.ERROR,
        "process %d (%s) exited with %s",
        process.pid,
        executable,
        status,
        extra={"plugin_id": plugin_id},
    )

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
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from graftage.errors import HandshakeError, PluginFault, SettingsError
from graftage.host import connection
from graftage.host.checksum import BY_NAME, Checksum, checked
from graftage.host.diagnosis import explain_refusal, explain_silence, who_ran
from graftage.host.exit_status import ExitStatus
from graftage.host.launch_options import LaunchOptions
from graftage.host.link import Link, NotReached, open_link
from graftage.host.output import FIRST_LINE_BYTES, Announcement, PluginOutput
from graftage.host.process import KILL_SECONDS, NotExecuted, PluginProcess, run_process
from graftage.host.running_plugin import RunningPlugin
from graftage.host.standing import SETTLE_SECONDS, first_of, stand_beside, until_answering
from graftage.host.stopping import stop, terminate
from graftage.protocol.certificate import make_identity, to_pem
from graftage.protocol.environment import plugin_environment
from graftage.protocol.handshake import (
    Handshake,
    MalformedHandshake,
    UnfitHandshake,
    parse_handshake,
    quoted,
)
from graftage.protocol.log_record import read_log_line

__all__ = ["LaunchOptions", "RunningPlugin", "StartFailed", "launch"]

OFFERED_VERSIONS = (1, 2)

_QUOTED_LINES = 10  # of stderr, in an error's text; its attribute has all that are kept
_QUOTED_CHARACTERS = 400


class StartFailed(PluginFault):
    """The plugin was not brought to answer calls; nothing of it is left.

    exit_status: how its process ended, None if the host had to end it. stderr_tail: the last it had to say.
    summary: the message without those lines, for whoever has shown them already.
    The cause is a HandshakeError if its first line was wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        summary: str = "",
        exit_status: ExitStatus | None = None,
        stderr_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.summary = summary or message
        self.exit_status = exit_status
        self.stderr_tail = stderr_tail


class _NoHandshake(NotReached):
    """There is no first line. The file may be at fault."""


@asynccontextmanager
async def launch(
    executable: Path,
    *,
    plugin_id: str,
    options: LaunchOptions,
    logger: logging.Logger,
    interpreter: str = "",
    checksum: Checksum | None = None,
) -> AsyncIterator[RunningPlugin]:
    """Start a plugin and connect to it. When the block ends, however it ends, its process, its descendants
    and its socket are gone; that takes `stop_grace` + `term_grace` + 2 seconds at worst.

    interpreter: the program that reads `executable`; empty when the system runs that itself. logger: the
    host's; the plugin's records go to its child named by the executable. checksum: that of the executable, if
    it is known. Raises StartFailed, or ChecksumMismatch.
    """
    logger = logger.getChild(executable.name)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + options.start_timeout
    async with AsyncExitStack() as stack:
        identity = await asyncio.to_thread(make_identity) if options.auto_mtls else None
        folder = options.socket_dir and options.socket_dir.absolute() / f"plugin-dir{secrets.token_hex(4)}"
        environment = plugin_environment(
            os.environ,
            options.environment,
            versions=OFFERED_VERSIONS,
            inherit=options.inherit_environment,
            ports=options.ports,
            socket_dir=str(folder) if folder else None,
            client_cert=to_pem(identity.certificate) if identity else "",
            multiplex=options.multiplex,
        )
        process = await _execute(
            stack, executable, interpreter, plugin_id, options, environment, folder, checksum
        )
        process.exit.add_done_callback(lambda _: _log_exit(process, executable, plugin_id, logger))
        output = PluginOutput(process, plugin_id, options, logger)
        stack.push_async_callback(output.close)
        stack.callback(process.kill)  # a start that fails or is cancelled ends here, a good end before this
        try:
            handshake = await _read_handshake(process, output.announcement, options, deadline - loop.time())
            link = await stack.enter_async_context(
                open_link(
                    handshake,
                    receive_bytes=options.receive_bytes,
                    identity=identity,
                    multiplex=options.multiplex,
                    folder=str(folder or ""),
                )
            )
            limit = max(deadline - loop.time(), options.connect_timeout)
            await until_answering(link, process.exit, timeout=limit, logger=logger)
        except (HandshakeError, NotReached, SettingsError) as error:
            raise await _start_failed(error, executable, interpreter, plugin_id, process, output) from error
        await stack.enter_async_context(_standing(process, link, output, options, logger))
        yield RunningPlugin(plugin_id, process, link, stderr_tail=lambda: output.stderr_tail)


async def _execute(
    stack: AsyncExitStack,
    executable: Path,
    interpreter: str,
    plugin_id: str,
    options: LaunchOptions,
    environment: Mapping[str, str],
    folder: Path | None,
    checksum: Checksum | None,
) -> PluginProcess:
    """Start the program, to be ended with the stack."""
    try:
        async with asyncio.timeout(options.start_timeout), checked(executable, checksum) as descriptor:
            return await stack.enter_async_context(
                run_process(
                    executable,
                    environment,
                    folder=folder,
                    interpreter=interpreter,
                    shared_group=options.shared_group,
                    descriptor=BY_NAME if interpreter else descriptor,
                )
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


async def _read_handshake(
    process: PluginProcess, stdout: Announcement, options: LaunchOptions, timeout: float
) -> Handshake:
    """Wait for the first line on stdout. Raises HandshakeError for a wrong one, _NoHandshake for none."""
    await first_of(stdout.line, process.exit, timeout=timeout)
    if not stdout.line.done() and process.exit.done():
        await first_of(stdout.line, timeout=SETTLE_SECONDS)  # what it wrote before is still to be read
    if not stdout.line.done():
        if process.exit.done():
            raise _NoHandshake(f"it exited before the handshake with {process.exit.result()}")
        begun = f"; it printed {quoted(stdout.begun)} without a line end" if stdout.begun else ""
        raise _NoHandshake(
            f"it printed no handshake line within the start timeout{begun}; a plugin prints the line, with "
            "its line end, and flushes it, as soon as it listens"
        )
    line = stdout.line.result()
    if line is None:
        await first_of(process.exit, timeout=SETTLE_SECONDS)
        if process.exit.done():
            raise _NoHandshake(f"it exited before the handshake with {process.exit.result()}")
        raise MalformedHandshake("it closed its stdout without a handshake line; nothing was read")
    if len(line) >= FIRST_LINE_BYTES:
        raise MalformedHandshake(f"expected a handshake, got a first line of 64 KiB or more: {quoted(line)}")
    try:
        handshake = parse_handshake(
            line, offered=OFFERED_VERSIONS, tls=options.auto_mtls, multiplex=options.multiplex
        )
    except UnfitHandshake as error:
        _remove_socket_at_end(process, error.handshake)
        raise
    _remove_socket_at_end(process, handshake)
    return handshake


def _remove_socket_at_end(process: PluginProcess, handshake: Handshake) -> None:
    if path := connection.socket_path(handshake):
        process.remove_at_end(path)


async def _start_failed(
    error: HandshakeError | NotReached | SettingsError,
    executable: Path,
    interpreter: str,
    plugin_id: str,
    process: PluginProcess,
    output: PluginOutput,
) -> StartFailed:
    """End the process; then tell all that is known of its failure."""
    if isinstance(error, HandshakeError):
        # A stray first line often comes from a program that is just about to die; its status helps.
        await first_of(process.exit, timeout=SETTLE_SECONDS)
    status = process.exit.result() if process.exit.done() else None
    process.kill()
    await process.gone(timeout=KILL_SECONDS)
    await output.close()
    parts = [f"plugin {plugin_id!r} did not start: {error}"]
    if isinstance(error, HandshakeError) and status:
        parts.append(f"it exited with {status}")
    last = [_message(line)[:_QUOTED_CHARACTERS] for line in output.stderr_tail[-_QUOTED_LINES:]]
    said = "the last on its stderr: " + " / ".join(last) if last else "it wrote nothing to stderr"
    after = []
    if isinstance(error, _NoHandshake) and last and status:
        after.append(who_ran(executable, interpreter))  # the file runs: it ended with a reason of its own
    elif isinstance(error, (MalformedHandshake, _NoHandshake)):
        after.append(explain_silence(executable, said_why=bool(last)))
    return StartFailed(
        "; ".join([*parts, said, *after]),
        summary="; ".join([*parts, *([] if last else [said]), *after]),
        exit_status=status,
        stderr_tail=output.stderr_tail,
    )


def _message(line: str) -> str:
    """What a line on stderr says to a person: of a log record, its message."""
    return read_log_line(line.encode(), panicking=False)[0].message


def _standing(
    process: PluginProcess, link: Link, output: PluginOutput, options: LaunchOptions, logger: logging.Logger
) -> AbstractAsyncContextManager[None]:
    """What goes on beside a plugin whose process is ours."""

    async def lost(why: str) -> None:
        """A plugin that nobody can reach is as good as dead: end it, so that it is started again."""
        await first_of(process.exit, timeout=SETTLE_SECONDS)
        if process.exit.done():
            return
        logger.error("process %d is ended: %s", process.pid, why)
        process.why = why
        if not await terminate(process, options.term_grace):
            process.kill()

    return stand_beside(
        link,
        printed=output.printed.takers,
        pace=output.printed.pace,
        patience=options.reconnect_timeout,
        lost=lost,
        stop=lambda: stop(
            process, link.channel, grace=options.stop_grace, term_grace=options.term_grace, logger=logger
        ),
        hurry=process.kill,
        logger=logger,
    )


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

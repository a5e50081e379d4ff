"""One plugin's process, started and held through its warden.

The host never forks itself: with gRPC's threads in the process that is unsafe. It starts the warden, a fresh
interpreter, and tells it over a socket what to start. To let go of that socket is to kill the plugin and all
its descendants, so whatever becomes of the host, nothing of the plugin stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from graftage.host import warden_main
from graftage.host.exit_status import ExitStatus
from graftage.host.last_steps import to_the_end

# After SIGKILL a process is gone at once, unless the kernel itself holds it (a dead network drive).
KILL_SECONDS = 1.0
_POLL_SECONDS = 0.002
# What an interpreter may need to find its own shared library; what the plugin gets is sent over the socket.
_WARDEN_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


class NotExecuted(Exception):
    """The operating system refused to start the program. step: what it refused (`exec`, `fork`, `mkdir`)."""

    def __init__(self, number: int, step: str) -> None:
        super().__init__(f"{step}: {os.strerror(number)}")
        self.number = number
        self.step = step


class PluginProcess:
    """A running plugin: its pid, its output, its end. Made by `run_process`."""

    def __init__(self, warden: subprocess.Popen[bytes], control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 0
        self.exit: asyncio.Future[ExitStatus] = loop.create_future()
        self.exited = asyncio.Event()
        self.told_to_end = False
        self.why = ""  # what the host knows of the reason, for the ExitStatus
        self._started: asyncio.Future[None] = loop.create_future()
        self._gone = asyncio.Event()
        self._warden = warden
        self._control = control
        self._said = b""
        self._socket = ""
        assert warden.stdout is not None
        assert warden.stderr is not None
        self.stdout: IO[bytes] = warden.stdout
        self.stderr: IO[bytes] = warden.stderr

    async def start(self, order: bytes) -> None:
        """Have the warden start the plugin. Raises NotExecuted."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._control, self._listen)
        with contextlib.suppress(OSError):  # a warden that is gone is heard of below
            await loop.sock_sendall(self._control, warden_main.encode_message(order))
        await self._started

    def terminate(self) -> None:
        """Send SIGTERM to the plugin's process group, or to it alone if it shares the host's."""
        self.told_to_end = True
        self._say(warden_main.TERMINATE)

    def remove_at_end(self, path: str) -> None:
        """Have the socket at `path` removed when the plugin is gone, even if this host is gone before it."""
        self._socket = path
        self._say(warden_main.SOCKET + os.fsencode(path))

    def kill(self) -> None:
        """Kill the plugin and all its descendants. Returns at once; `gone` waits for it."""
        self.told_to_end = True
        self._warden.send_signal(signal.SIGCONT)  # somebody may have stopped it
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    async def gone(self, *, timeout: float) -> None:
        """Wait until nothing is left of the plugin, for a limited time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._gone.wait()

    async def close(self) -> None:
        """Kill what is left and wait for its end, for a limited time."""
        self.kill()
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await self._gone.wait()
                while self._warden.poll() is None:  # noqa: ASYNC110 - a process tells of its end to nobody
                    await asyncio.sleep(_POLL_SECONDS)
                # A warden that was killed has left it, and for a moment the dying plugin still holds it.
                while self._socket and not _is_removed(self._socket):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            if not self._gone.is_set():
                self.why = f"it did not die within {KILL_SECONDS:g} s; it may still be there"
            # The warden goes on killing; without it, the plugin's children would stay for ever.
            threading.Thread(target=self._warden.wait, name="graftage-warden", daemon=True).start()
        finally:
            self._hang_up()

    def _say(self, body: bytes) -> None:
        # The messages are short and few, so the socket takes them whole; a warden that is gone needs none.
        with contextlib.suppress(OSError):
            self._control.send(warden_main.encode_message(body))

    def _listen(self) -> None:
        try:
            data = self._control.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            self._hear(line.decode("ascii", "replace").split())
        if not data:
            self._hang_up()

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["started", pid]:
                self.pid = int(pid)
                if not self._started.done():
                    self._started.set_result(None)
            case ["failed", number, step] if not self._started.done():
                self._started.set_exception(NotExecuted(int(number), step))
                self._started.exception()  # whoever started it may have been cancelled, and never look
            case ["exited", _, number] if number != "0":
                self._has_exited(ExitStatus(signal=int(number), why=self.why))
            case ["exited", code, _]:
                self._has_exited(ExitStatus(code=int(code), why=self.why))

    def _has_exited(self, status: ExitStatus) -> None:
        if not self.exit.done():
            self.exit.set_result(status)
            self.exited.set()

    def _hang_up(self) -> None:
        """The warden is gone, and everything with it; or it is given up."""
        if self._gone.is_set():
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        if not self._started.done():
            self._started.set_exception(
                ConnectionResetError("the plugin's warden ended before the plugin began")
            )
            self._started.exception()
        elif self.pid and not self.exit.done():
            # Somebody killed the warden. For it, the kernel has killed the plugin, but not its children.
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._has_exited(ExitStatus(why=self.why))
        self._gone.set()


@contextlib.asynccontextmanager
async def run_process(
    executable: Path,
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    interpreter: str = "",
    shared_group: bool = False,
    descriptor: int = -1,
) -> AsyncIterator[PluginProcess]:
    """Start a program; when the block ends, however it ends, all of it is gone. Its stdin is the host's.

    folder: made for the plugin's sockets and removed in the end. shared_group: in the host's process group,
    so that it can read from the host's terminal; else in one of its own. descriptor: the executable, open
    already; -1 to execute what has its name. The reader of `stdout` and `stderr` closes them.
    Raises NotExecuted, or OSError when the host itself is out of processes or descriptors.
    """
    group = os.getpgrp() if shared_group else 0
    order = _order(executable, environment, folder, interpreter, group, descriptor)
    passed = [descriptor] if descriptor >= 0 else []
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        try:
            warden = subprocess.Popen(  # noqa: ASYNC220 - it returns when exec has worked: a millisecond or two
                [sys.executable, "-I", "-S", _warden_program(), str(theirs.fileno()), str(os.getpid())],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={name: os.environ[name] for name in _WARDEN_VARIABLES if name in os.environ},
                pass_fds=[theirs.fileno(), *passed],
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
    process = PluginProcess(warden, ours)
    try:
        await process.start(order)
        yield process
    finally:
        await to_the_end(process.close(), hurry=process.kill)
        process.stdout.close()
        process.stderr.close()
        if folder:  # a warden that was killed has left it behind
            shutil.rmtree(folder, ignore_errors=True)


def _is_removed(path: str) -> bool:
    return warden_main.remove_socket(path) or not os.path.lexists(path)


def _warden_program() -> str:
    """The warden's file: the compiled one if it is there and fresh, which starts in half the time."""
    source = warden_main.__file__
    compiled = importlib.util.cache_from_source(source)
    return compiled if is_compiled_from(source, compiled) else source


def is_compiled_from(source: str, compiled: str) -> bool:
    """Was `compiled` made from `source` as it is now? Python looks only when it imports. Source: PEP 552."""
    try:
        with open(compiled, "rb") as file:
            head = file.read(16)
        written = os.stat(source)
    except OSError:
        return False
    moment, size = int(written.st_mtime) & 0xFFFFFFFF, written.st_size & 0xFFFFFFFF
    return head == importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, moment, size)


def _order(
    executable: Path,
    environment: Mapping[str, str],
    folder: Path | None,
    interpreter: str,
    group: int,
    descriptor: int,
) -> bytes:
    return warden_main.encode_order(
        os.fsencode(executable.absolute()),
        {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
        folder=os.fsencode(folder) if folder else b"",
        interpreter=os.fsencode(interpreter),
        group=group,
        descriptor=descriptor,
    )

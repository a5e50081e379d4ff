"""Programs that never become a running plugin: what the error says, when, and that nothing is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from graftage.host.launch import StartFailed
from graftage.protocol import handshake
from support.nasty import plain_plugin, script

GOOD = "1|1|unix|/nowhere/plugin1|grpc|"
STAY = "time.sleep(60)"


async def failure(start: Any, executable: Path, *, within: float = 5.0, **options: Any) -> StartFailed:
    """The error of a start that fails, in time."""
    began = time.monotonic()
    with pytest.raises(StartFailed) as caught:
        async with start(executable, **options):
            pytest.fail("it started")
    assert time.monotonic() - began < within
    return caught.value


@pytest.mark.parametrize(
    ("output", "cause", "complaint"),
    [
        ("\n" + GOOD, handshake.MalformedHandshake, "got ''"),
        ("hello\n" + GOOD, handshake.MalformedHandshake, "got 'hello'"),
        ("1|1|unix", handshake.MalformedHandshake, "expected a handshake such as"),
        ("2|1|unix|/tmp/x|grpc|", handshake.CoreVersionMismatch, "speaks core protocol 2, this host 1"),
        ("1|9|unix|/tmp/x|grpc|", handshake.AppVersionMismatch, "speaks application protocol 9, this host 1"),
        ("1|1|unix|/tmp/x", handshake.UnsupportedProtocol, "got 'netrpc'"),
        ("1|1|udp|127.0.0.1:1|grpc", handshake.UnusableAddress, "'udp' is unknown"),
        ("1|1|unix|/tmp/x|grpc|" + "A" * 60, handshake.BadCertificate, "60 characters"),
        ("1|1|unix|/tmp/x|grpc|MIGA" + "A" * 171, handshake.UnexpectedCertificate, "did not ask for TLS"),
        ("x" * 65536, handshake.MalformedHandshake, "64 KiB or more"),
        ("1|1|unix|/tmp/x|grpc|" + "A" * 70000, handshake.MalformedHandshake, "64 KiB or more"),
    ],
)
async def test_a_wrong_first_line_is_quoted_and_explained(
    start: Any, tmp_path: Path, output: str, cause: type[Exception], complaint: str
) -> None:
    plugin = script(tmp_path, f"print({output!r}, flush=True)\n{STAY}")
    error = await failure(start, plugin)
    assert complaint in str(error)
    assert "test-plugin" in str(error)
    assert type(error.__cause__) is cause
    assert error.exit_status is None


async def test_a_first_line_that_ends_the_program_comes_with_its_status_and_last_words(
    start: Any, tmp_path: Path
) -> None:
    plugin = script(tmp_path, "print('hello'); sys.stderr.write('no database\\n'); sys.exit(3)")
    error = await failure(start, plugin)
    assert str(error.exit_status) == "status 3"
    assert error.stderr_tail == ("no database",)
    assert "got 'hello'" in str(error)
    assert "status 3" in str(error)
    assert "no database" in str(error)
    assert "-rwxr-xr-x" in str(error)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("sys.exit(0)", "status 0"),
        ("sys.stderr.write('boom\\n'); sys.exit(3)", "status 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11 (SIGSEGV)"),
    ],
)
async def test_a_program_that_exits_before_the_handshake_says_how(
    start: Any, tmp_path: Path, body: str, status: str
) -> None:
    error = await failure(start, script(tmp_path, body))
    assert str(error.exit_status) == status
    assert f"exited before the handshake with {status}" in str(error)
    assert ("boom" in str(error)) == ("boom" in body)


async def test_a_program_that_says_why_it_exits_is_told_with_who_ran_it_and_nothing_else(
    start: Any, tmp_path: Path
) -> None:
    plugin = script(tmp_path, "import no_such_module")
    error = await failure(start, plugin)
    assert "No module named 'no_such_module'" in str(error)
    interpreter = plugin.read_text().splitlines()[0].removeprefix("#!")
    assert str(error).endswith(f"; {interpreter} ran {plugin}")
    assert "owner" not in str(error)


async def test_an_exit_in_the_middle_of_the_line_is_a_malformed_line(start: Any, tmp_path: Path) -> None:
    error = await failure(start, script(tmp_path, "os.write(1, b'1|1|un'); os._exit(4)"))
    assert "got '1|1|un'" in str(error)
    assert str(error.exit_status) == "status 4"


async def test_an_exit_right_after_the_handshake_is_told_as_such(start: Any, tmp_path: Path) -> None:
    error = await failure(start, script(tmp_path, f"os.write(1, {GOOD.encode()!r}); os._exit(5)"))
    assert "exited after the handshake with status 5" in str(error)
    assert str(error.exit_status) == "status 5"


async def test_a_line_without_an_end_is_waited_for_until_the_start_timeout(
    start: Any, tmp_path: Path
) -> None:
    plugin = script(tmp_path, f"os.write(1, {GOOD.encode()!r})\n{STAY}")
    error = await failure(start, plugin, start_timeout=0.5)
    assert "no handshake line within the start timeout" in str(error)
    assert f"it printed {GOOD!r} without a line end" in str(error)


async def test_a_silent_program_is_given_up_at_the_start_timeout(start: Any, tmp_path: Path) -> None:
    error = await failure(start, script(tmp_path, STAY), start_timeout=0.3, within=2.0)
    assert "no handshake line" in str(error)
    assert "it wrote nothing to stderr" in str(error)


async def test_a_program_that_closes_its_stdout_cannot_shake_hands(start: Any, tmp_path: Path) -> None:
    error = await failure(start, script(tmp_path, f"os.close(1)\n{STAY}"))
    assert "closed its stdout without a handshake line" in str(error)


async def test_a_program_stopped_before_the_handshake_is_killed(start: Any, tmp_path: Path) -> None:
    plugin = script(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP)")
    error = await failure(start, plugin, start_timeout=0.3, within=2.0)
    assert "no handshake line" in str(error)


async def test_an_address_where_nobody_listens_is_given_up(start: Any, tmp_path: Path) -> None:
    plugin = script(tmp_path, f"print({GOOD!r}, flush=True)\n{STAY}")
    error = await failure(start, plugin, start_timeout=0.5, connect_timeout=0.5)
    assert "cannot connect to unix /nowhere/plugin1" in str(error)
    assert "no such socket" in str(error)


@pytest.mark.parametrize("then", ["it = listener.accept()", "pass", "os.kill(os.getpid(), signal.SIGSTOP)"])
async def test_a_plugin_that_listens_but_never_answers_is_given_up(
    start: Any, tmp_path: Path, then: str
) -> None:
    plugin = script(
        tmp_path,
        "path = os.environ['TMPDIR'] + '/plugin1'\n"
        "listener = socket.socket(socket.AF_UNIX); listener.bind(path); listener.listen()\n"
        "print(f'1|1|unix|{path}|grpc|', flush=True)\n"
        f"{then}\n{STAY}",
    )
    error = await failure(start, plugin, start_timeout=0.5, connect_timeout=0.5, within=3.0)
    assert "nothing there answers as a gRPC server does" in str(error)


async def test_a_plugin_that_takes_a_call_but_never_answers_is_given_up(start: Any, tmp_path: Path) -> None:
    error = await failure(
        start,
        plain_plugin(tmp_path),
        behaviour="hang-on-check",
        start_timeout=3.0,
        connect_timeout=0.5,
        within=6.0,
    )
    assert "it accepts connections on unix " in str(error)
    assert "but answers no call: Deadline Exceeded" in str(error)
    assert error.exit_status is None


async def test_the_socket_of_a_plugin_that_dies_at_once_is_removed(start: Any, tmp_path: Path) -> None:
    plugin = script(
        tmp_path,
        "path = os.environ['TMPDIR'] + '/plugin1'\n"
        "listener = socket.socket(socket.AF_UNIX); listener.bind(path); listener.listen()\n"
        "os.write(1, f'1|1|unix|{path}|grpc|\\n'.encode()); os._exit(0)",
    )
    error = await failure(start, plugin)
    assert "exited after the handshake with status 0" in str(error)


async def test_grandchildren_of_a_failed_start_die_with_it(start: Any, tmp_path: Path) -> None:
    plugin = script(tmp_path, f"if os.fork() == 0: os.setsid(); os.fork(); {STAY}\nprint('hi', flush=True)")
    assert "got 'hi'" in str(await failure(start, plugin))


async def test_a_missing_file_is_named(start: Any, tmp_path: Path) -> None:
    error = await failure(start, tmp_path / "nothing", within=1.0)
    assert f"there is no file {tmp_path}/nothing" in str(error)


async def test_a_folder_is_no_program(start: Any, tmp_path: Path) -> None:
    assert "is a folder" in str(await failure(start, tmp_path, within=1.0))


async def test_a_file_without_the_execute_permission_is_told_with_its_mode(
    start: Any, tmp_path: Path
) -> None:
    plugin = script(tmp_path, STAY)
    plugin.chmod(0o644)
    error = await failure(start, plugin, within=1.0)
    assert "may not be executed" in str(error)
    assert "-rw-r--r--" in str(error)
    assert f"owner {os.getuid()}:{os.getgid()}" in str(error)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"print('hello')\n", "in no format that this system executes"),
        (b"", "in no format that this system executes"),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0\x64\xaa", "PE (Windows) for arm64"),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(100), "ELF for aarch64"),
        (b"#!/no/such/python -I\n", "its interpreter '/no/such/python' does not exist"),
        (b"#!/bin/sh\r\necho\r\n", "save it with LF"),
    ],
)
async def test_a_file_in_the_wrong_format_is_recognised(
    start: Any, tmp_path: Path, content: bytes, complaint: str
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_bytes(content)
    plugin.chmod(0o755)
    assert complaint in str(await failure(start, plugin, within=1.0))


async def test_a_socket_folder_that_does_not_exist_is_named(start: Any, tmp_path: Path) -> None:
    error = await failure(start, plain_plugin(tmp_path), socket_dir=Path("/no/such/folder"), within=1.0)
    assert "the folder for its sockets, /no/such/folder/plugin-dir" in str(error)


async def test_the_plugin_starts_with_default_signals_and_no_foreign_descriptors(
    start: Any, tmp_path: Path
) -> None:
    plugin = script(
        tmp_path,
        "status = dict(line.split(':\\t') for line in open('/proc/self/status'))\n"
        "fds = sorted(fd for fd in os.listdir('/proc/self/fd'))[:-1]\n"
        "sys.stderr.write(f\"{fds} {status['SigBlk'].strip()} {os.getpgrp() == os.getpid()}\"); sys.exit(1)",
    )
    error = await failure(start, plugin)
    assert error.stderr_tail == ("['0', '1', '2'] 0000000000000000 True",)


_OF_THE_C_LIBRARY = 1 << (32 - 1) | 1 << (33 - 1)


async def test_ignored_signals_are_not_inherited(start: Any, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\ngrep SigIgn /proc/self/status >&2\nexit 1\n")
    plugin.chmod(0o755)
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        error = await failure(start, plugin)
    finally:
        signal.signal(signal.SIGUSR1, before)
    (line,) = error.stderr_tail
    # Two signals belong to the C library, which lets nobody change them: whoever ignored them did so before.
    assert int(line.removeprefix("SigIgn:\t"), 16) & ~_OF_THE_C_LIBRARY == 0


async def test_the_plugin_sees_its_own_environment_and_nothing_of_the_warden(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGIN_CLIENT_CERT", "of the host's own host")
    plugin = script(tmp_path, "sys.stderr.write(repr(dict(os.environ))); sys.exit(1)")
    error = await failure(
        start, plugin, inherit_environment=False, environment={"NAME": "a=b\nc", "EMPTY": ""}
    )
    seen = eval(error.stderr_tail[0])
    seen.pop("LC_CTYPE", None)  # the script's own interpreter adds it
    assert seen == {
        "TMPDIR": seen["TMPDIR"],
        "BEHAVIOUR": "",
        "PIDS": seen["PIDS"],
        "NAME": "a=b\nc",
        "EMPTY": "",
        "PLUGIN_MIN_PORT": "10000",
        "PLUGIN_MAX_PORT": "25000",
        "PLUGIN_PROTOCOL_VERSIONS": "1,2",
        "grafana_plugin_type": "datasource",
    }

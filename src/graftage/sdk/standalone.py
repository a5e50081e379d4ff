"""Stand-alone mode: the plugin runs by itself, under a debugger say, and Grafana starts a stand-in for it.

`python plugin.py -standalone` finds the plugin's folder, leaves its address and pid there (`standalone.txt`,
`pid.txt`), kills the plugin that Grafana runs, so that Grafana starts the stand-in instead, and serves.
When it ends, it takes the files away and kills the stand-in, so that Grafana starts the plugin again.

Killed are processes of this user that a host has launched (the cookie in their environment tells), whose
program is the executable that the plugin.json of that folder names, and which are neither this process nor
one that it descends from; a plugin that listens on the network lives on. The reference kills whatever has the
path anywhere in its command line, such as an editor. It also listens on every address of the machine when
none is named; here it is the loopback address.

Source: Grafana's Go SDK, internal/standalone and backend/serve.go (`GracefulStandaloneServe`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from graftage.errors import SettingsError
from graftage.protocol.environment import COOKIE_KEY, COOKIE_VALUE
from graftage.protocol.network_tls import split_address
from graftage.sdk.listener import LOOPBACK
from graftage.sdk.network import listen_there
from graftage.sdk.open_server import run_openly
from graftage.sdk.running import Application, GenericHandlers
from graftage.sdk.stand_in import ADDRESS_FILE, PID_FILE, address_variable

PLUGIN_JSON = "plugin.json"
_SOURCES = "pkg"  # where plugins in Go keep their sources
_BUILT = "dist"
_COOKIE = f"{COOKIE_KEY}={COOKIE_VALUE}".encode()

log = logging.getLogger(__name__)


def run_standalone(build: Callable[[], Application], *, receive_bytes: int, script: str) -> None:
    """Serve the newest version of the protocol, and nothing else, on TCP. Ends as `run_openly` does, or with
    status 2 when it cannot be done. script: the program's own file.
    """
    try:
        folder, description = plugin_folder(Path.cwd(), _own_id(Path(script)))
        wanted = os.environ.get(address_variable(str(description.get("id", "")))) or f"{LOOPBACK}:0"
        try:
            host, port = split_address(wanted)
        except ValueError:
            raise SettingsError(f"expected host:port as this plugin's address, got {wanted!r}") from None
        listening = listen_there(host or LOOPBACK, port)
    except SettingsError as error:
        sys.stderr.write(f"the plugin cannot serve: {error}\n")
        raise SystemExit(2) from None
    address = wanted if port else f"{LOOPBACK}:{listening.getsockname()[1]}"

    def make_the_host_start_anew() -> None:
        if executable := description.get("executable"):
            kill_all(folder / str(executable))

    def ready() -> None:
        log.info("the plugin stands alone", extra={"address": address, "folder": str(folder)})
        make_the_host_start_anew()

    try:
        with _files(folder, address):
            run_openly(build, listening, _services, receive_bytes=receive_bytes, ready=ready)
    finally:
        make_the_host_start_anew()


def plugin_folder(start: Path, plugin_id: str) -> tuple[Path, Mapping[str, object]]:
    """The folder of the plugin with this id, and its description. plugin_id: empty for the first there is.

    Raises SettingsError when there is none below `start`.
    """
    base = start.parent if start.name == _SOURCES else start
    base = base / _BUILT if (base / _BUILT).is_dir() else base
    for folder, folders, files in os.walk(base):
        folders.sort()
        if PLUGIN_JSON not in files:
            continue
        description = _described(Path(folder))
        if description and plugin_id in ("", description.get("id")):
            return Path(folder), description
    which = f"with the id {plugin_id!r} " if plugin_id else ""
    raise SettingsError(
        f"no {PLUGIN_JSON} {which}in {base} or below; start a stand-alone plugin in its own folder"
    )


def kill_all(executable: Path) -> None:
    """Kill the processes of this plugin that a host has started. Does nothing where there is no /proc."""
    own = _with_ancestors(os.getpid())
    for pid in _processes():
        if pid not in own and _runs(pid, executable):
            log.info("killing the plugin's process, so that its host starts it anew", extra={"pid": pid})
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def is_program(path: str, executable: Path) -> bool:
    """Is this file what a host starts for the `executable` of a plugin.json: itself, a build of it
    (`<executable>_linux_amd64`), or a script (`<executable>.py`)?
    """
    real, stem = os.path.realpath(path), os.path.realpath(executable)
    return real in (stem, f"{stem}.py") or real.startswith(f"{stem}_")


@contextmanager
def _files(folder: Path, address: str) -> Iterator[None]:
    """Inside the block, the files that tell a stand-in where this process is; for their owner only."""
    texts = {ADDRESS_FILE: address, PID_FILE: str(os.getpid())}
    try:
        for name, text in texts.items():
            (folder / name).unlink(missing_ok=True)  # one that was left behind may have another mode
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        yield
    except OSError as error:
        sys.stderr.write(f"the plugin cannot stand alone: {error}\n")
        raise SystemExit(2) from error
    finally:
        for name in texts:
            (folder / name).unlink(missing_ok=True)


def _services(application: Application, _: asyncio.Event) -> GenericHandlers:
    return application.versions[max(application.versions)]


def _own_id(script: Path) -> str:
    """The plugin's id by the plugin.json beside the program; empty if there is none."""
    return str(_described(script.absolute().parent).get("id", ""))


def _described(folder: Path) -> Mapping[str, object]:
    try:
        description = json.loads((folder / PLUGIN_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return description if isinstance(description, dict) else {}


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _runs(pid: int, executable: Path) -> bool:
    """Is this a process of our user that a host has launched, and its program, or the script of its
    interpreter, the executable?
    """
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        if _COOKIE not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return False
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2]
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False  # it has ended
    return any(is_program(os.path.join(folder, os.fsdecode(word)), executable) for word in words if word)


def _with_ancestors(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            # The name is in parentheses and may hold any character; after it: state, parent.
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return found

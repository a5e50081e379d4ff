"""`graftage plugins`: which plugins there are, how they are doing, and why not better.

It asks a running server; with --plugins it looks into the folders itself, and starts nothing.

Exit status: 0 when all is well; 1 when a plugin neither runs nor is being started, or when something in the
folders cannot be used.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graftage.cli.server_url import DEFAULT_URL, server_url
from graftage.cli.show import console_for, printable
from graftage.config import URL_VARIABLE
from graftage.errors import GraftageError, SettingsError
from graftage.host.discovery import InstalledPlugin, Problem, discover
from graftage.host.executable import ExecutableError, find_executable
from graftage.host.plugin_json import FILE_NAME
from graftage.host.supervision import State
from graftage.server.ordered_json import write_ordered
from graftage.server.routes.plugins import states_json

SECONDS = 10.0

STYLES = {
    State.RUNNING: "green",
    State.STARTING: "cyan",
    State.BACKING_OFF: "yellow",
    State.FAILED: "red",
    State.STOPPED: "red",
}
WELL = (State.RUNNING, State.STARTING, None)


class Plugin(msgspec.Struct, frozen=True, rename="camel"):
    """One plugin of `GET /api/graftage/plugins`. state: None for one without a process to run. address: where
    one runs that the server did not start."""

    id: str
    type: str
    version: str
    folder: str
    state: State | None = None
    since: datetime | None = None
    pid: int | None = None
    address: str = ""
    restarts: int = 0
    last_exit: str = ""
    stderr_tail: tuple[str, ...] = ()
    reason: str = ""


class Trouble(msgspec.Struct, frozen=True, rename="camel"):
    """Something in the folders that cannot be used."""

    path: str
    key: str
    message: str
    plugin_id: str = ""


class Report(msgspec.Struct, frozen=True):
    """The whole answer."""

    plugins: tuple[Plugin, ...]
    problems: tuple[Trouble, ...]

    @property
    def is_well(self) -> bool:
        return not self.problems and all(plugin.state in WELL for plugin in self.plugins)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "plugins",
        help="show which plugins were found, and how they are",
        description="Show the plugins of a running server, or, with --plugins, those in a folder.",
        epilog="Exit status: 0 when all is well, 1 when a plugin does not run or a folder has a problem.",
        allow_abbrev=False,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        type=server_url,
        default=os.environ.get(URL_VARIABLE, DEFAULT_URL),
        help=f"the server (${URL_VARIABLE}, else {DEFAULT_URL})",
    )
    where.add_argument(
        "--plugins",
        action="append",
        type=Path,
        metavar="DIR",
        help="look into this folder instead, without a server; can be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print the server's own answer")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    body = _look(args.plugins) if args.plugins else _ask(args.url)
    try:
        report = msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError as error:
        raise GraftageError(
            f"{args.url} is no Graftage server: it answered something else ({error})"
        ) from error
    if args.json:
        print(body.decode())
    else:
        console_for(sys.stdout).print(render(report, now=datetime.now(UTC)))
    return 0 if report.is_well else 1


def _ask(url: str) -> bytes:
    try:
        # A proxy of the environment is for the world outside, not for a server on this machine.
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            response = http.get("/api/graftage/plugins")
    except httpx.TimeoutException as error:
        raise GraftageError(f"{url} did not answer within {SECONDS:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise GraftageError(
            f"no server answers at {url} ({error or type(error).__name__}); `graftage serve` starts one, "
            "--url names another one, and --plugins looks into a folder without a server"
        ) from error
    if response.status_code != httpx.codes.OK:
        raise GraftageError(f"{url} is no Graftage server: it answered with status {response.status_code}")
    return response.content


def _look(folders: Iterable[Path]) -> bytes:
    """What a server would find in these folders, in its own form. No process is started."""
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(f"the plugin folder {folder} does not exist")
    found = discover(folders)
    problems = (*found.problems, *filter(None, map(_not_startable, found.plugins)))
    return write_ordered(states_json(found.plugins, (), problems)).encode()


def _not_startable(plugin: InstalledPlugin) -> Problem | None:
    within = plugin.app.folder if plugin.app else None
    try:
        if plugin.backend:
            executable = plugin.json.executable
            find_executable(plugin.folder, executable, platform.system(), platform.machine(), within=within)
    except ExecutableError as error:
        return Problem(plugin.folder / FILE_NAME, "executable", str(error), plugin.id)
    return None


def render(report: Report, *, now: datetime) -> Group:
    """The plugins as a table, then what keeps any of them from running, then the rest of the problems."""
    parts: list[RenderableType] = [_table(report.plugins, now)] if report.plugins else [Text("no plugins")]
    for plugin in report.plugins:
        if plugin.state not in WELL:
            parts.append(Text(f"\n{printable(plugin.id)}: {printable(plugin.reason or plugin.last_exit)}"))
            parts += [Text(f"    {printable(line)}", style="dim") for line in plugin.stderr_tail]
    if report.problems:
        parts.append(Text("\nproblems:", style="bold"))
    for problem in report.problems:
        place = ": ".join(printable(part) for part in (problem.path, problem.key) if part)
        parts.append(Text(f"  {place}: {printable(problem.message)}", style="red"))
    return Group(*parts)


def _table(plugins: Sequence[Plugin], now: datetime) -> Table:
    table = Table(header_style="dim")
    ended = any(plugin.last_exit for plugin in plugins)
    for name in ("plugin", "type", "version", "state", "for", "pid or address", "restarts"):
        table.add_column(name, justify="right" if name in ("for", "pid or address", "restarts") else "left")
    if ended:
        table.add_column("last exit")
    for plugin in plugins:
        table.add_row(
            printable(plugin.id),
            printable(plugin.type),
            printable(plugin.version) or "-",
            Text(plugin.state or "-", style=STYLES[plugin.state] if plugin.state else ""),
            _age(now - plugin.since) if plugin.since else "-",
            str(plugin.pid or "") or printable(plugin.address) or "-",
            str(plugin.restarts) if plugin.state else "-",
            *([printable(plugin.last_exit) or "-"] if ended else []),
        )
    return table


def _age(age: timedelta) -> str:
    """How long, in its two largest units."""
    seconds = max(0, int(age.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"

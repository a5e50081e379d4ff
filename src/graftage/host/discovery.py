"""Which plugins are in these folders, and what is wrong with the rest.

The walk is Grafana's: any depth, hidden folders too, by name; links are followed; `node_modules` is skipped;
of a folder that has a `dist` folder only that is searched. Unlike there, whatever is wrong with one folder
is reported and hides no other.

Source: Grafana, pkg/util/filepath.go (`Walk`) and pkg/plugins/manager (`scan`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from graftage.host.plugin_json import FILE_NAME, PluginJson, PluginJsonError, PluginType, read_plugin_json

# Folders that hold tools or copies, never an installed plugin of their own. The first two are Grafana's.
SKIPPED = frozenset({"node_modules", "Chromium.app", "__pycache__", ".git"})
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"  # a Python plugin run from source may well have one beside it
# Links in a circle are found by identity. These two bound a root that was set to a whole disk by mistake.
MAX_DEPTH = 64  # far beyond any plugin, far below Python's limit of recursion
MAX_FOLDERS = 10_000  # below one folder of a root, so that a huge one takes nothing from its neighbours

LAUNCHED = frozenset(
    {PluginType.DATASOURCE, PluginType.APP}
)  # types whose backend speaks a data source's protocol


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a plugin, or part of a folder, from being used.

    key: where in the file `path`, such as ``info.version``; empty when file or folder as a whole is meant.
    message: what is wrong and what to change. plugin_id: empty when it could not be read.
    """

    path: Path
    key: str
    message: str
    plugin_id: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{printable(self.path)}:", self.key and f"{self.key}:", self.message]))


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A plugin whose description was read.

    folder: where its `plugin.json` is, absolute, links kept as they were walked.
    app: the app in whose folder it is; None for one of its own.
    """

    json: PluginJson
    folder: Path
    app: InstalledPlugin | None = None

    @property
    def id(self) -> str:
        return self.json.id

    @property
    def name(self) -> str:
        return self.json.name

    @property
    def type(self) -> PluginType:
        return self.json.type

    @property
    def backend(self) -> bool:
        """Is there a process to launch for it?"""
        return self.json.backend and self.json.type in LAUNCHED

    @property
    def base_url(self) -> str:
        """Where a browser finds its files; those of a plugin inside an app are the app's."""
        return f"public/plugins/{(self.app or self).id}"

    @property
    def module(self) -> str:
        """What a browser loads as its code."""
        if self.app is None:
            return f"plugins/{self.id}/module"
        return f"plugins/{self.app.id}/{self.folder.relative_to(self.app.folder).as_posix()}/module"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, in the order of the walk."""

    plugins: tuple[InstalledPlugin, ...] = ()
    problems: tuple[Problem, ...] = ()


def discover(roots: Iterable[Path]) -> Discovery:
    """Search these folders in order, each with everything below it.

    Of two plugins with one id the first stays; a folder that several paths lead to is searched once.
    """
    walk = _Walk()
    for root in roots:
        walk.visit(Path(os.path.abspath(root)))  # not `resolve`: a link's own place is what people know
    return Discovery(tuple(walk.plugins.values()), tuple(walk.problems))


def printable(path: Path) -> str:
    """The path as text that can be logged and sent, whatever bytes are in its names."""
    return os.fsencode(path).decode(errors="replace")


@dataclass(slots=True)
class _Budget:
    """How many folders may still be searched below `folder`."""

    folder: Path
    left: int


_Identity = tuple[int, int]


@dataclass(slots=True)
class _Walk:
    """The walk so far: plugins by id, problems, and which folders it has been in, by identity."""

    plugins: dict[str, InstalledPlugin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    described: list[Path] = field(default_factory=list)
    seen: dict[_Identity, Path] = field(default_factory=dict)

    def visit(
        self,
        folder: Path,
        *,
        inside: tuple[_Identity, ...] = (),
        app: InstalledPlugin | None = None,
        budget: _Budget | None = None,
    ) -> None:
        """Search one folder and all below it. inside: the identities of the folders it was reached through.

        budget: None at a root; each folder directly below one is given its own.
        """
        try:
            status = os.stat(folder)
            identity = (status.st_dev, status.st_ino)
            if not self._is_new(folder, identity, inside) or not self._within_limits(folder, inside, budget):
                return
            self.seen[identity] = folder
            with os.scandir(folder) as listing:
                entries = {entry.name: entry for entry in sorted(listing, key=_byte_order)}
        except OSError as error:
            self._report(folder, _unreachable(folder, error))
            return
        if VIRTUAL_ENVIRONMENT in entries:
            return
        trail = (*inside, identity)
        if "dist" in entries and _is_folder(entries["dist"]):
            self._only_dist(folder / "dist", trail, app, budget)
            return
        found = self._describe(folder, entries, app)
        if found is not None and found.type is PluginType.APP:
            app = found
        for name, entry in entries.items():
            path = folder / name
            if _is_folder(entry):
                if name not in SKIPPED:
                    self.visit(path, inside=trail, app=app, budget=budget or _Budget(path, MAX_FOLDERS))
            elif entry.is_symlink() and name != FILE_NAME:
                self._check_link(path)

    def _is_new(self, folder: Path, identity: _Identity, inside: tuple[_Identity, ...]) -> bool:
        if identity in inside:
            self._report(folder, "leads back to a folder that it is in; remove this link")
        elif (first := self.seen.get(identity)) is None:
            return True
        elif any(path.is_relative_to(first) for path in self.described):
            # Without a plugin in it nobody needs to know: packages often carry such links.
            self._report(
                folder, f"is the same folder as {printable(first)}, searched already; remove one of the two"
            )
        return False

    def _within_limits(self, folder: Path, inside: tuple[_Identity, ...], budget: _Budget | None) -> bool:
        if len(inside) >= MAX_DEPTH:
            self._report(folder, f"is more than {MAX_DEPTH} folders deep and was not searched; move it up")
            return False
        if budget is None:
            return True
        budget.left -= 1
        if budget.left == -1:
            self._report(
                budget.folder,
                f"holds more than {MAX_FOLDERS} folders and was not searched to its end; move plugins up",
            )
        return budget.left >= 0

    def _only_dist(
        self, dist: Path, trail: tuple[_Identity, ...], app: InstalledPlugin | None, budget: _Budget | None
    ) -> None:
        described = len(self.described)
        self.visit(dist, inside=trail, app=app, budget=budget)
        if len(self.described) == described:
            advice = "build the plugin, or give that folder another name"
            self._report(
                dist, f"holds no {FILE_NAME}, and nothing beside a `dist` folder is searched; {advice}"
            )

    def _describe(
        self, folder: Path, entries: Iterable[str], app: InstalledPlugin | None
    ) -> InstalledPlugin | None:
        """Read the folder's own `plugin.json`, if it has one, and keep the plugin unless its id is taken."""
        for name in entries:
            if name.casefold() == FILE_NAME and name != FILE_NAME:
                self._report(folder / name, f"is not read for its spelling; rename it to {FILE_NAME}")
        if FILE_NAME not in entries:
            return None
        self.described.append(folder)
        path = folder / FILE_NAME
        try:
            description = read_plugin_json(path)
        except PluginJsonError as error:
            self._report(path, str(error), key=error.key, plugin_id=error.plugin_id)
            return None
        plugin = InstalledPlugin(description, folder, None if description.type is PluginType.APP else app)
        first = self.plugins.setdefault(plugin.id, plugin)
        if first is not plugin:
            message = (
                f"{plugin.id!r} is taken by the plugin in {printable(first.folder)}; remove one of the two"
            )
            self._report(path, message, key="id", plugin_id=plugin.id)
            return None
        if description.executable and not description.backend and description.type in LAUNCHED:
            message = (
                'is not true beside an "executable", so nothing is launched; write "backend": true, or take '
                '"executable" away'
            )
            self._report(path, message, key="backend", plugin_id=plugin.id)
        return plugin

    def _check_link(self, path: Path) -> None:
        try:
            os.stat(path)
        except OSError as error:
            self._report(path, _unreachable(path, error))

    def _report(self, path: Path, message: str, *, key: str = "", plugin_id: str = "") -> None:
        self.problems.append(Problem(path, key, message, plugin_id))


def _byte_order(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle; reported as a link that leads nowhere
        return False


def _unreachable(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT and path.is_symlink():
        target = printable(Path(os.readlink(path)))
        return f"leads to {target}, which does not exist; remove this link or restore what it led to"
    match error.errno:
        case errno.ENOENT:
            return "does not exist; make this folder or correct the setting that names it"
        case errno.ENOTDIR:
            return "is not a folder; name the folder that holds the plugin"
        case errno.ELOOP:
            return "is a link that leads in a circle; remove it"
        case errno.EACCES | errno.EPERM:
            return f"cannot be searched: {error.strerror}; let the host's user read it"
        case _:
            return f"cannot be searched: {error.strerror}; repair it or move it away"

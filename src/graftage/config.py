"""Settings, read once into one frozen value.

They come from four places, and later ones win: the defaults below, a TOML file, environment variables
(``GRAFTAGE_QUERY_TIMEOUT``), and command line flags (``--query-timeout``). Every place uses the same names,
and a name or a value that cannot be used is an error that says where it was given. Relative paths in the
file start from the file's folder, all others from the working directory.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graftage.backend.secrets import Secrets
from graftage.errors import SettingsError

PREFIX = "GRAFTAGE_"
CONFIG_VARIABLE = "GRAFTAGE_CONFIG"
URL_VARIABLE = "GRAFTAGE_URL"

# Variables with our prefix that are no settings of the server.
OTHER_VARIABLES = {
    CONFIG_VARIABLE: "names the settings file, as --config does",
    URL_VARIABLE: "where `graftage query` and `graftage plugins` look for a running server",
    "GRAFTAGE_GOLDEN": "where the tests find recorded exchanges",
}

# Beside the process that was started, so that a first try leaves everything in one visible folder.
DEFAULT_DATA = Path("graftage-data")

LOG_LEVELS = ("trace", "debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens. Port 0 lets the system choose a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What the operator set for one plugin: `[plugin."acme-datasource"]` in the file.

    path: one more folder to look for plugins in. values: all other keys, which the plugin's process gets to
    see in its environment; they may be secrets, so they do not show in a ``repr``.
    """

    path: Path | None = None
    values: Mapping[str, str] = field(default_factory=Secrets)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds.

    plugins: folders to look for plugins in; None means the folder `plugins` in `data`, made when missing.
    data: the folder of what the server keeps. database and secret_key_file: None means a file in `data`.
    """

    address: Address = Address("127.0.0.1", 3000)
    plugins: tuple[Path, ...] | None = None
    data: Path = DEFAULT_DATA
    database: Path | None = None
    secret_key_file: Path | None = None
    log_level: str = "info"
    log_format: str = "text"
    query_timeout: float = 30.0
    start_timeout: float = 60.0
    plugin: Mapping[str, PluginSettings] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        return self.database or self.data / "graftage.db"

    @property
    def key_file(self) -> Path:
        return self.secret_key_file or self.data / "secret.key"

    @property
    def plugin_roots(self) -> tuple[Path, ...]:
        """The folders of all plugins; they have to exist."""
        return (self.data / "plugins",) if self.plugins is None else self.plugins

    @property
    def plugin_folders(self) -> tuple[Path, ...]:
        """Every folder to look for plugins in, in order: the roots, then those of single plugins."""
        return self.plugin_roots + tuple(one.path for one in self.plugin.values() if one.path is not None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value was given: its name in a message, and the folder relative paths start from."""

    name: str
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class _Key:
    """One key: what to ask for in a message, and how to read a value; `read` raises ValueError."""

    expected: str
    read: Callable[[object, Path], object]


def load_settings(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Settings from all four places. Raises SettingsError, naming the place, the key and what was expected.

    flags: by key name; None means that the flag was not given.
    """
    values: dict[str, object] = {}
    if file is not None:
        values |= _read_file(file)
    values |= _read_environment(environment)
    for key, value in flags.items():
        if value is not None:
            values[key] = _read(key, value, _Place(f"flag --{key.replace('_', '-')}"))
    return Settings(**values)  # type: ignore[arg-type]  # each value was read by the key of its own name


def _read_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        key = name.removeprefix(PREFIX).lower()
        place = _Place(f"environment variable {name}")
        if key not in _KEYS or name != name.upper():
            known = (*(PREFIX + known.upper() for known in _KEYS), *OTHER_VARIABLES)
            raise SettingsError(f"{place.name} is no setting{_nearest(name, known)}")
        values[key] = _read(key, environment[name], place)
    return values


def _read_file(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {file} is not UTF-8 text: {error.reason}") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from error

    values: dict[str, object] = {}
    for key, value in content.items():
        place = _Place(f"{_spot(file, text, key)}: key {key!r}", file.parent)
        if key == "plugin":
            values[key] = _read_plugins(file, text, value)
        else:
            values[key] = _read(key, value, place)
    return values


def _read_plugins(file: Path, text: str, tables: object) -> Mapping[str, PluginSettings]:
    """The tables `[plugin.<id>]`. Source: Grafana, pkg/setting, `extractPluginSettings`."""
    if not isinstance(tables, dict):
        raise SettingsError(
            f'{_spot(file, text, "plugin")}: expected tables such as [plugin."acme-datasource"]'
        )
    plugins: dict[str, PluginSettings] = {}
    for plugin_id, table in tables.items():
        if not isinstance(table, dict):
            raise SettingsError(
                f"{_spot(file, text, plugin_id)}: expected a table [plugin.{plugin_id!r}], not {_kind(table)}"
            )
        path = None
        values: dict[str, str] = {}
        for key, value in table.items():
            place = _Place(
                f"{_spot(file, text, key, plugin_id)}: key {key!r} of plugin {plugin_id!r}", file.parent
            )
            if key == "path":
                path = _read_as(_Key("a folder", _path), value, place)
            elif isinstance(value, str | int | float):
                values[key] = _as_text(value)
            else:
                # The value may be a secret: its type is enough.
                raise SettingsError(
                    f"{place.name}: expected a text, a number or a boolean, not {_kind(value)}"
                )
        assert path is None or isinstance(path, Path)
        plugins[plugin_id] = PluginSettings(path, Secrets(values))
    return plugins


def _read(key: str, value: object, place: _Place) -> object:
    if key not in _KEYS:
        raise SettingsError(f"{place.name} is no setting{_nearest(key, (*_KEYS, 'plugin'))}")
    return _read_as(_KEYS[key], value, place)


def _read_as(key: _Key, value: object, place: _Place) -> object:
    try:
        return key.read(value, place.folder)
    except ValueError:
        raise SettingsError(f"{place.name}: expected {key.expected}, got {_shown(value)}") from None


def _address(value: object, _folder: Path) -> Address:
    host, colon, port = _text(value).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(value)
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(value)
    return Address(host, int(port))


def _paths(value: object, folder: Path) -> tuple[Path, ...]:
    """Folders: a list, or one text with the system's path separator (``:``) between them."""
    entries = (
        value
        if isinstance(value, list | tuple)
        else [part for part in _text(value).split(os.pathsep) if part]
    )
    return tuple(_path(entry, folder) for entry in entries)


def _path(value: object, folder: Path) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    if not text or "\0" in text or "://" in text:
        raise ValueError(value)
    return folder / os.path.expanduser(text)  # which leaves `~nobody` as it is, where Path raises


def _seconds(value: object, _folder: Path) -> float:
    seconds = float(value) if isinstance(value, int | float) and value is not True else float(_text(value))
    if not 0 < seconds <= 86400:
        raise ValueError(value)
    return seconds


def _one_of(choices: tuple[str, ...]) -> Callable[[object, Path], str]:
    def read(value: object, _folder: Path) -> str:
        text = _text(value).lower()
        if text not in choices:
            raise ValueError(value)
        return text

    return read


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one exception means "not what this key wants"
    return value


_KEYS: Mapping[str, _Key] = {
    "address": _Key("host:port, such as 127.0.0.1:3000 or [::1]:3000", _address),
    "plugins": _Key(f"folders, as a list or as one text with {os.pathsep!r} between them", _paths),
    "data": _Key("a folder", _path),
    "database": _Key("the path of an SQLite file", _path),
    "secret_key_file": _Key("a path", _path),
    "log_level": _Key(f"one of {', '.join(LOG_LEVELS)}", _one_of(LOG_LEVELS)),
    "log_format": _Key(f"one of {', '.join(LOG_FORMATS)}", _one_of(LOG_FORMATS)),
    "query_timeout": _Key("seconds, more than 0 and at most 86400", _seconds),
    "start_timeout": _Key("seconds, more than 0 and at most 86400", _seconds),
}


def _nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    without_prefix = {one.removeprefix(PREFIX): one for one in known}
    close = [
        without_prefix[one]
        for one in difflib.get_close_matches(name.removeprefix(PREFIX), without_prefix, n=1)
    ]
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _spot(file: Path, text: str, key: str, table: str = "") -> str:
    """`file:line` of a key, as far as a look at the lines can tell, because tomllib does not say."""
    assignment = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
    header = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            header = line
            found = not table and key in header
        else:
            found = bool(header) == bool(table) and table in header and bool(assignment.match(line))
        if found:
            return f"{file}:{number}"
    return str(file)


def _as_text(value: str | int | float) -> str:
    """A TOML value as the text of an environment variable: booleans as TOML writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_KINDS = {
    dict: "a table",
    list: "a list",
    bool: "a boolean",
    str: "a text",
    int: "a number",
    float: "a number",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")  # TOML knows nothing else


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float) else _kind(value)

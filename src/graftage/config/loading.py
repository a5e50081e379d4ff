"""Where settings come from: four places, of which later ones win.

They are the defaults, a TOML file, environment variables (``GRAFTAGE_QUERY_TIMEOUT``), and command line flags
(``--query-timeout``). Every place uses the same names, and a name or a value that cannot be used is an error
that says where it was given. Relative paths in the file start from the file's folder, all others from the
working directory.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from graftage.config.keys import KEYS, Key
from graftage.config.plugin_table import host_keys, plugin_settings
from graftage.config.settings import PluginSettings, Settings
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value was given: its name in a message, and the folder relative paths start from."""

    name: str
    folder: Path = Path()


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
        if key not in KEYS or name != name.upper():
            known = (*(PREFIX + known.upper() for known in KEYS), *OTHER_VARIABLES)
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
        own = host_keys(table)
        known: dict[str, object] = {}
        others: dict[str, str] = {}
        for key, value in table.items():
            place = _Place(
                f"{_spot(file, text, key, plugin_id)}: key {key!r} of plugin {plugin_id!r}", file.parent
            )
            if key in own:
                known[key] = _read_as(own[key], value, place)
            elif isinstance(value, str | int | float):
                others[key] = _as_text(value)
            else:
                # The value may be a secret: its type is enough.
                raise SettingsError(
                    f"{place.name}: expected a text, a number or a boolean, not {_kind(value)}"
                )
        try:
            plugins[plugin_id] = plugin_settings(known, others)
        except SettingsError as error:
            spot = _spot(file, text, plugin_id)
            raise SettingsError(f"{spot}: the settings of plugin {plugin_id!r} do not fit: {error}") from None
    return plugins


def _read(key: str, value: object, place: _Place) -> object:
    if key not in KEYS:
        raise SettingsError(f"{place.name} is no setting{_nearest(key, (*KEYS, 'plugin'))}")
    return _read_as(KEYS[key], value, place)


def _read_as(key: Key, value: object, place: _Place) -> object:
    try:
        return key.read(value, place.folder)
    except ValueError:
        raise SettingsError(f"{place.name}: expected {key.expected}, got {_shown(value)}") from None


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

"""`plugin.json`: what a plugin says about itself, and everything of it that a host acts on or shows.

Keys are matched without regard to case, unknown ones are ignored, `null` and an empty text count as absent,
and text after the first JSON value is not looked at: that is how Grafana's decoder reads the file. A value
of a wrong type is refused for every type of plugin alike.

Source: Grafana, pkg/plugins/models.go and its neighbours, and Go's encoding/json.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from graftage.errors import PluginFault

FILE_NAME = "plugin.json"
LIMIT = 1024 * 1024  # bytes; the largest published ones have some 20 KiB, so more is a file of another kind


class PluginJsonError(PluginFault):
    """A `plugin.json` that cannot be used.

    key: where in the file, such as ``routes[0].reqRole``; empty when the file as a whole is meant.
    plugin_id: the id it claims, as far as it could be read.
    """

    def __init__(self, message: str, *, key: str = "", plugin_id: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.plugin_id = plugin_id


class PluginType(StrEnum):
    """What a plugin adds to Grafana."""

    DATASOURCE = "datasource"
    PANEL = "panel"
    APP = "app"
    RENDERER = "renderer"
    SECRETS_MANAGER = "secretsmanager"


class Role(StrEnum):
    """What a user must at least be."""

    VIEWER = "Viewer"
    EDITOR = "Editor"
    ADMIN = "Admin"


class Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A JSON object of the file; an absent key has Go's zero value."""


class Author(Part, frozen=True):
    """Who made the plugin."""

    name: str = ""
    url: str = ""


class Link(Part, frozen=True):
    """A page about the plugin."""

    name: str = ""
    url: str = ""


class Logos(Part, frozen=True):
    """Paths relative to the plugin's folder, or absolute urls; empty for the icon of the plugin's type."""

    small: str = ""
    large: str = ""


class Screenshot(Part, frozen=True):
    """A picture; its path reads as that of a logo."""

    name: str = ""
    path: str = ""


class Build(Part, frozen=True):
    """Where the plugin was built from. time: milliseconds since 1970; 0 when not said."""

    time: int = 0
    repo: str = ""
    branch: str = ""
    hash: str = ""


class Info(Part, frozen=True):
    """What a person gets to read. Absent `links` and `screenshots` are None, which a host shows as null."""

    author: Author = Author()
    description: str = ""
    links: tuple[Link, ...] | None = None
    logos: Logos = Logos()
    screenshots: tuple[Screenshot, ...] | None = None
    build: Build = Build()
    version: str = ""
    updated: str = ""
    keywords: tuple[str, ...] = ()


class Include(Part, frozen=True):
    """A part that the plugin brings along: a dashboard, page, panel or data source."""

    type: str = ""
    name: str = ""
    path: str = ""
    component: str = ""
    role: Role = Role.VIEWER
    add_to_nav: bool = False
    default_nav: bool = False
    slug: str = ""
    icon: str = ""


class PluginDependency(Part, frozen=True):
    """Another plugin that this one wants."""

    type: str = ""
    id: str = ""
    name: str = ""
    version: str = ""


class Dependencies(Part, frozen=True):
    """What the plugin wants of its host. Only shown: nothing is refused for it."""

    grafana_version: str = "*"
    grafana_dependency: str = ""
    plugins: tuple[PluginDependency, ...] = ()


class NamedTemplate(Part, frozen=True):
    """A header or url parameter that a route sets."""

    name: str = ""
    content: str = ""


class TokenAuth(Part, frozen=True):
    """Where a route gets its access token."""

    url: str = ""
    scopes: tuple[str, ...] = ()
    params: dict[str, str] = {}


class Route(Part, frozen=True):
    """A rule of the data source proxy. req_role: None when the route asks for none."""

    path: str = ""
    method: str = ""
    req_role: Role | None = None
    url: str = ""
    url_params: tuple[NamedTemplate, ...] = ()
    headers: tuple[NamedTemplate, ...] = ()
    token_auth: TokenAuth | None = None
    jwt_token_auth: TokenAuth | None = None
    body: Any = None


class PluginJson(Part, frozen=True):
    """The file as a whole; only `id` and `type` are required.

    backend: there is an executable to launch. includes: None when absent, which a host shows as null.
    """

    id: str
    type: PluginType
    name: str = ""
    backend: bool = False
    executable: str = ""
    info: Info = Info()
    dependencies: Dependencies = Dependencies()
    includes: tuple[Include, ...] | None = None
    routes: tuple[Route, ...] = ()
    category: str = ""
    state: str = ""
    built_in: bool = False
    mixed: bool = False
    hide_from_list: bool = False
    preload: bool = False
    auto_enabled: bool = False
    skip_data_query: bool = False
    alerting: bool = False
    annotations: bool = False
    explore: bool = False
    logs: bool = False
    metrics: bool = False
    streaming: bool = False
    tables: bool = False
    tracing: bool = False
    query_options: dict[str, Any] = {}


def read_plugin_json(path: Path) -> PluginJson:
    """Read one file. Raises PluginJsonError, which says what to change."""
    return parse_plugin_json(_file_bytes(path))


def parse_plugin_json(data: bytes) -> PluginJson:
    """Read the content of one file. Raises PluginJsonError, which says what to change."""
    raw = _first_json_value(data)
    try:
        known = _as_go_reads(raw, _SCHEMA)
    except RecursionError as error:
        raise PluginJsonError("is nested too deeply; it can hardly be meant as a plugin.json") from error
    claimed = known.get("id") if isinstance(known, dict) else None
    plugin_id = claimed if isinstance(claimed, str) else ""
    for key in ("id", "type"):
        if isinstance(known, dict) and key not in known:
            raise PluginJsonError(f'has no "{key}"; add one', key=key, plugin_id=plugin_id)
    try:
        return msgspec.convert(known, PluginJson)
    except msgspec.ValidationError as error:
        key, message = _explain(str(error))
        raise PluginJsonError(message, key=key, plugin_id=plugin_id) from error


def _file_bytes(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PluginJsonError("is not a regular file; put one there, or give this another name")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LIMIT + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise PluginJsonError(_unreadable(path, error)) from error
    if len(data) > LIMIT:
        raise PluginJsonError(f"is larger than {LIMIT} bytes; it can hardly be meant as a plugin.json")
    return data


def _unreadable(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT if path.is_symlink():
            return "is a link that leads to no file; restore what it led to"
        case errno.ENOENT | errno.ENOTDIR:
            return "does not exist; put one there, or name the folder that holds it"
        case errno.EACCES | errno.EPERM:
            return f"cannot be read: {error.strerror}; let the host's user read it"
        case _:
            return f"cannot be read: {error.strerror}; repair it or move it away"


def _first_json_value(data: bytes) -> object:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise PluginJsonError("starts with a byte order mark; save it as UTF-8 without one")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PluginJsonError(f"is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise PluginJsonError('is empty; it needs at least "id" and "type"')
    try:
        # The standard library's decoder names line and column, and stops after the first value.
        value, _ = json.JSONDecoder(parse_constant=_no_json_number).raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PluginJsonError(f"is not JSON: {error.msg} at {where}; correct it there") from error
    except (ValueError, RecursionError) as error:
        raise PluginJsonError(f"is not usable JSON: {error}; correct it there") from error
    result: object = value
    return result


def _no_json_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _as_go_reads(value: Any, schema: inspect.Type) -> Any:
    """`value` with the keys that `schema` knows, in its spelling, and nothing that Go takes for absent."""
    match schema:
        case inspect.StructType() if isinstance(value, dict):
            known = {field.encode_name.casefold(): field for field in schema.fields}
            result = {}
            for key, item in value.items():
                field = known.get(key.casefold())
                if field is None or item is None or (item == "" and not _takes_no_text(field.type)):
                    continue
                result[field.encode_name] = _as_go_reads(item, field.type)
            return result
        case inspect.VarTupleType() if isinstance(value, list):
            return [_as_go_reads(item, schema.item_type) for item in value]
        case inspect.UnionType():
            return _as_go_reads(value, next(kind for kind in schema.types if not _is_null(kind)))
        case inspect.AnyType():
            return value
        case _ if isinstance(value, str):
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case _:
            return value


def _is_null(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.NoneType)


def _takes_no_text(kind: inspect.Type) -> bool:
    """Is an empty text here a mistake to tell, rather than an absent value?"""
    if isinstance(kind, inspect.UnionType):
        return all(_takes_no_text(member) for member in kind.types if not _is_null(member))
    return not isinstance(kind, inspect.StrType | inspect.EnumType)


_SCHEMA = inspect.type_info(PluginJson)

_ENUMS: dict[str, type[StrEnum]] = {"type": PluginType, "role": Role, "reqRole": Role}
_ADVICE = {
    "Expected `bool": "write true or false, without quotes",
    "Expected `str": "write a text in quotes",
    "Expected `int": "write a whole number, without quotes",
    "Expected `array": "write a list: [...]",
    "Expected `object": "write an object: {...}",
}


def _explain(complaint: str) -> tuple[str, str]:
    """Key and message from msgspec's sentence: ``Expected `bool`, got `str` - at `$.metrics` ``."""
    sentence, _, place = complaint.partition(" - at `$")
    key = place.strip("`").removeprefix(".")
    choices = _ENUMS.get(key.rpartition(".")[2])
    if sentence.startswith("Invalid enum value") and choices is not None:
        advice = f"write one of {', '.join(choices)}"
    else:
        advice = next((text for start, text in _ADVICE.items() if sentence.startswith(start)), "correct it")
    return key, f"{sentence.replace('`', '').replace(' | null', '')}; {advice}"

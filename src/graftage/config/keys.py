"""What each key may be: read from a TOML value, or from the text of a variable or a flag."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from graftage.config.settings import LOG_FORMATS, LOG_LEVELS, Address
from graftage.host.launch_options import SOCKET_DIR_BYTES, has_room_for_sockets

_LONGEST_SECONDS = 86400.0
_LINE_BYTES = (1024, 64 * 1024 * 1024)  # shorter lines would cut every record, longer ones fill the memory
_LINES = (1.0, 1e9)
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what to ask for in a message, and how to read a value; `read` raises ValueError.

    `read` also gets the folder that relative paths start from.
    """

    expected: str
    read: Callable[[object, Path], object]


def _address(value: object, _folder: Path) -> Address:
    host, colon, port = text(value).rpartition(":")
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
        value if isinstance(value, list | tuple) else [part for part in text(value).split(os.pathsep) if part]
    )
    return tuple(path(entry, folder) for entry in entries)


def path(value: object, folder: Path) -> Path:
    given = str(value) if isinstance(value, Path) else text(value)
    if not given or "\0" in given or "://" in given:
        raise ValueError(value)
    return folder / os.path.expanduser(given)  # which leaves `~nobody` as it is, where Path raises


def _socket_dir(value: object, folder: Path) -> Path:
    found = path(value, folder)
    if not has_room_for_sockets(found):
        raise ValueError(value)
    return found


def _seconds(value: object, _folder: Path) -> float:
    seconds = _number(value)
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise ValueError(value)
    return seconds


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else float(text(value))  # type: ignore[arg-type]  # it is one


def _between(value: object, _folder: Path, *, least: float, most: float) -> float:
    number = _number(value)
    if not least <= number <= most:
        raise ValueError(value)
    return number


def whole(value: object, folder: Path, *, least: int, most: int) -> int:
    number = _between(value, folder, least=least, most=most)
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def boolean(value: object, _folder: Path) -> bool:
    if isinstance(value, bool):
        return value
    if text(value).lower() not in _BOOLEANS:
        raise ValueError(value)
    return _BOOLEANS[text(value).lower()]


def _one_of(value: object, _folder: Path, *, choices: tuple[str, ...]) -> str:
    choice = text(value).lower()
    if choice not in choices:
        raise ValueError(value)
    return choice


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one exception means "not what this key wants"
    return value


def _choice(choices: tuple[str, ...]) -> Key:
    return Key(f"one of {', '.join(choices)}", partial(_one_of, choices=choices))


FOLDER = Key("a folder", path)
_DURATION = Key(f"seconds, more than 0 and at most {_LONGEST_SECONDS:g}", _seconds)
_GRACE = Key(f"seconds, from 0 to {_LONGEST_SECONDS:g}", partial(_between, least=0, most=_LONGEST_SECONDS))
_LINE_COUNT = Key(
    f"lines, from {_LINES[0]:g} to {_LINES[1]:g}", partial(_between, least=_LINES[0], most=_LINES[1])
)

KEYS: Mapping[str, Key] = {
    "address": Key("host:port, such as 127.0.0.1:3000 or [::1]:3000", _address),
    "plugins": Key(f"folders, as a list or as one text with {os.pathsep!r} between them", _paths),
    "data": FOLDER,
    "database": Key("the path of an SQLite file", path),
    "secret_key_file": Key("a path", path),
    "log_level": _choice(LOG_LEVELS),
    "log_format": _choice(LOG_FORMATS),
    "query_timeout": _DURATION,
    "start_timeout": _DURATION,
    "stop_grace": _GRACE,
    "term_grace": _GRACE,
    "socket_dir": Key(
        f"a folder with a path of {SOCKET_DIR_BYTES} bytes at most, so that those of sockets fit", _socket_dir
    ),
    "inherit_environment": Key("true or false", boolean),
    "log_line_limit": Key(
        f"bytes, a whole number from {_LINE_BYTES[0]} to {_LINE_BYTES[1]}",
        partial(whole, least=_LINE_BYTES[0], most=_LINE_BYTES[1]),
    ),
    "log_rate": _LINE_COUNT,
    "log_burst": _LINE_COUNT,
    "plugin_output": FOLDER,
}

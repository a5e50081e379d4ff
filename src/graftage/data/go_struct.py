"""Objects of JSON as Go's decoder fills a struct with them, as tables of keys.

A reader is a function of a value and of the place where it stands; what it returns is written again as Go
would write the struct. It takes what was parsed from JSON as well as what an author built.

Source: Go, encoding/json (`decode.go`): keys match without regard to case, unknown ones are dropped, `null`
leaves the zero value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import numpy as np

from graftage.data.canonical_json import Number
from graftage.data.go_json import Bound

Reader = Callable[[object, str], Any]
Struct = Callable[[object, str], dict[str, Any]]

_INTEGER: Final = re.compile("-?[0-9]+")
_EXACT: Final = 2**53  # integers below are floats without loss


@dataclass(frozen=True, slots=True)
class Key:
    """How one key of a struct is read, and when it is left out of what is written.

    default: what a missing key stands for; None means that it is left out, or what `read` makes of null.
    """

    read: Reader
    omitted: Callable[[object], bool] = lambda value: not value
    default: object = None


def absent(value: object) -> bool:
    """Leaves out pointers without a target only, so that 0 and False stay."""
    return value is None


def never(_: object) -> bool:
    """Leaves out nothing."""
    return False


def struct(keys: Mapping[str, Key]) -> Struct:
    """Reads an object with these keys; the result has them in this order."""
    by_folded = {name.casefold(): name for name in keys}

    def read(value: object, place: str) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, content in mapping(value, place).items():
            if known := name if name in keys else by_folded.get(name.casefold()):
                given[known] = keys[known].read(content, f"{place}.{name}")
        filled = {name: given.get(name, key.default) for name, key in keys.items()}
        return {name: filled[name] for name, key in keys.items() if not key.omitted(filled[name])}

    return read


def unknown_keys(value: Mapping[str, object], keys: Mapping[str, Key]) -> dict[str, object]:
    """What an author says under keys that Go's struct has not."""
    folded = {name.casefold() for name in keys}
    return {name: anything(value[name], name) for name in sorted(value) if name.casefold() not in folded}


def mapping(value: object, place: str) -> Mapping[str, Any]:
    """An object of JSON; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise wrong(value, place, "an object")
    if strange := [key for key in value if not isinstance(key, str)]:
        raise ValueError(f"{place} has the key {strange[0]!r}; expected text for keys")
    return value


def array(element: Reader) -> Reader:
    """Reads a list; null is an empty one."""

    def read(value: object, place: str) -> list[Any]:
        return [element(item, f"{place}[{index}]") for index, item in enumerate(items(value, place))]

    return read


def items(value: object, place: str) -> list[Any] | tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise wrong(value, place, "a list")
    return value


def optional(read: Reader) -> Reader:
    """Reads a pointer: null is no value."""
    return lambda value, place: None if value is None else read(value, place)


def text(value: object, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Number):
        raise wrong(value, place, "text")
    return str(value)


def flag(value: object, place: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool | np.bool_):
        raise wrong(value, place, "true or false")
    return bool(value)


def integer(first: int, last: int) -> Reader:
    """Reads an integer of this range, both ends included. `1.0` is none, as a literal of JSON."""

    def read(value: object, place: str) -> int:
        match value:
            case None:
                return 0
            case Number() if _INTEGER.fullmatch(value) and first <= int(value) <= last:
                return int(value)
            case int() | np.integer() if not isinstance(value, bool) and first <= value <= last:
                return int(value)
            case _:
                raise wrong(value, place, f"an integer from {first} to {last}")

    return read


def number(value: object, place: str) -> float:
    """A finite number."""
    result = 0.0 if value is None else _float(value, place)
    if not math.isfinite(result):
        raise wrong(value, place, "a finite number")
    return result


def bound(value: object, place: str) -> Bound:
    """A number that may also be infinite or NaN when an author gives it; null is minus infinity."""
    result = Bound(-math.inf if value is None else _float(value, place))
    if isinstance(value, Number) and not math.isfinite(result):
        raise wrong(value, place, "a number that 64 bits can hold")
    return result


def anything(value: object, place: str) -> Any:
    """Whatever JSON can hold, with the keys of objects sorted."""
    try:
        return _anything(value, place)
    except RecursionError as error:
        raise ValueError(f"{place} nests too deeply; expected what JSON can hold") from error


def _anything(value: object, place: str) -> Any:
    match value:
        case None:
            return None
        case Number():
            finite = number(value, place)
            return int(value) if _INTEGER.fullmatch(value) and 0 < abs(finite) < _EXACT else finite
        case bool() | np.bool_():
            return bool(value)
        case str():
            return str(value)
        case int() | np.integer():
            number(value, place)  # readers take every number for a float, and refuse what is none
            return int(value)
        case float() | np.floating():
            return number(value, place)
        case list() | tuple():
            return [_anything(item, f"{place}[{index}]") for index, item in enumerate(value)]
        case Mapping():
            contents = mapping(value, place)
            return {str(key): _anything(contents[key], f"{place}.{key}") for key in sorted(contents)}
        case _:
            raise wrong(value, place, "what JSON can hold")


def wrong(value: object, place: str, expected: str) -> ValueError:
    given = f"the number {value}" if isinstance(value, Number) else f"{type(value).__name__} {value!r}"
    return ValueError(f"{place} is {given}; expected {expected}")


def is_number(value: object) -> TypeGuard[Number | int | float | np.integer[Any] | np.floating[Any]]:
    return isinstance(value, Number | int | float | np.integer | np.floating) and not isinstance(value, bool)


def _float(value: object, place: str) -> float:
    if not is_number(value):
        raise wrong(value, place, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise wrong(value, place, "a number that 64 bits can hold") from error

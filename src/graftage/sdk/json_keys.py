"""Single keys of a `jsonData` object, each of the type that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from graftage.errors import SettingsError

T = TypeVar("T")
N = TypeVar("N", int, float)

_KINDS = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class JsonKeys:
    """Reads keys of `values`. A key that is missing or null has its default; one of a wrong type raises
    SettingsError, which names the key, the type and no value: it may be a secret in the wrong place.

    what: how a message calls the object.
    """

    def __init__(self, values: Mapping[str, Any], *, what: str = "jsonData") -> None:
        self._values = values
        self._what = what

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def flag(self, key: str) -> bool:
        return self._value(key, bool, False)

    def text(self, key: str, default: str = "") -> str:
        return self._value(key, str, default)

    def seconds(self, key: str, default: float) -> float:
        """A number from 0 on."""
        return self._not_negative(key, float(self._value(key, float, default)))

    def count(self, key: str, default: int) -> int:
        """A whole number from 0 on."""
        return self._not_negative(key, self._value(key, int, default))

    def texts(self, key: str) -> tuple[str, ...]:
        items = self._value(key, list, [])
        for item in items:
            if not isinstance(item, str):
                raise SettingsError(f"{self._what}.{key} holds {_named(item)}; expected texts only")
        return tuple(items)

    def object(self, key: str) -> JsonKeys:
        return JsonKeys(self._value(key, dict, {}), what=f"{self._what}.{key}")

    def _value(self, key: str, kind: type[T], default: T) -> T:
        value = self._values.get(key)
        if value is None:
            return default
        if _is(value, kind):
            return kind(value)  # type: ignore[call-arg]  # of its own type already, but for 30.0 and 30
        raise SettingsError(f"{self._what}.{key} is {_named(value)}; expected {_KINDS[kind]}")

    def _not_negative(self, key: str, number: N) -> N:
        if number < 0:
            raise SettingsError(f"{self._what}.{key} is {number}; expected a number from 0 on")
        return number


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if kind is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, kind)


def _named(value: object) -> str:
    return next((text for kind, text in _KINDS.items() if _is(value, kind)), type(value).__name__)

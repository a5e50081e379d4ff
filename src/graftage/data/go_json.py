"""JSON as Go writes structs: keys in the order given, numbers and escapes as Go spells them.

`canonical_json` is for JSON that its author wrote as text; here values are written that the program made.

Source: Go, encoding/json (`encode.go`: `floatEncoder`), and strconv for the verbs of fmt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from graftage.data.canonical_json import Number, write_json


class Bound(float):
    """A limit such as `min`; what is not finite is written `null`, the rest as fmt's `%v`.

    Source: grafana-plugin-sdk-go, data/field_config.go `ConfFloat64`.
    """

    __slots__ = ()


def write_ordered(value: object) -> bytes:
    """The JSON text of dicts, lists, tuples, str, numbers, bools and None, compact and escaped for HTML.

    Raises ValueError for anything else, and for numbers that are not finite.
    """
    try:
        return _text(value).encode()
    except RecursionError as error:
        raise ValueError("what nests so deeply is no JSON") from error


def go_float(value: float) -> str:
    """The shortest text of a finite number: with an exponent below 1e-6 and from 1e21 on."""
    return _spelled(value, smallest=-6, exponent_digits=1)


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Number():
            return str(value)
        case str():
            return write_json(str(value))
        case int():
            return int.__repr__(value)
        case Bound():
            return _spelled(value, smallest=-4, exponent_digits=2) if math.isfinite(value) else "null"
        case float() if math.isfinite(value):
            return go_float(value)
        case Mapping():
            return f"{{{','.join(f'{_key(key)}:{_text(content)}' for key, content in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(map(_text, value))}]"
        case _:
            raise ValueError(f"{type(value).__name__} {value!r} is no JSON")


def _key(key: object) -> str:
    if isinstance(key, str):
        return write_json(str(key))
    raise ValueError(f"the key {key!r} of a JSON object is {type(key).__name__}; expected text")


_LARGEST: Final = 21  # plain digits below 1e21


def _spelled(value: float, *, smallest: int, exponent_digits: int) -> str:
    """Plain digits from 10**smallest up to 1e21, else an exponent of at least so many digits."""
    sign, digits, exponent = _decimal(value)
    if digits == "0":
        return sign + digits
    if not smallest <= exponent < _LARGEST:
        point = "." if len(digits) > 1 else ""
        number = f"{abs(exponent):0{exponent_digits}}"
        return f"{sign}{digits[0]}{point}{digits[1:]}e{'-' if exponent < 0 else '+'}{number}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def _decimal(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits d1d2..., and the exponent of the number d1.d2... x 10**exponent."""
    text = float.__repr__(value)
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text)
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    significant = digits.lstrip("0")
    exponent = int(power or 0) + len(whole) - 1 - (len(digits) - len(significant))
    return sign, significant.rstrip("0") or "0", exponent

"""Values of JSON fields: the texts of JSON values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from graftage.data.json_complaint import complaint

_DECODER: Final = msgspec.json.Decoder(msgspec.Raw)


def json_complaint(text: str) -> str | None:
    """Why a text is no JSON, in the words of Go's decoder; None if it is."""
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):  # it also refuses lone surrogates, which become U+FFFD on the wire
        return complaint(text.encode("utf-8", "replace"), first_only=False)
    return None


def check_declared(json_columns: Collection[str], names: Collection[str]) -> None:
    """Raises ValueError for a column that an author declares to hold JSON and that does not exist."""
    for declared in json_columns:
        if declared not in names:
            raise ValueError(
                f"json_columns names {declared!r}, which is no column; expected some of {', '.join(names)}"
            )


def checked_json(name: str, texts: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[Any]:
    """The texts, of which each that is present is JSON. Raises ValueError naming the column and the row.

    A reader would show null instead of a broken one, without a word.
    """
    for row in range(len(texts)) if valid is None else np.flatnonzero(valid):
        if (broken := json_complaint(texts[row])) is not None:
            raise ValueError(
                f"column {name!r} holds {texts[row][:60]!r} in row {row}, which is not JSON: {broken}"
            )
    return texts


def json_text(name: str, value: object) -> str:
    """A value of lists, dicts, text, numbers, bools, dates and None as JSON; NaN is null there.

    Raises ValueError naming the column.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"column {name!r} holds what JSON cannot say: {error}") from error


def not_text(name: str, error: UnicodeDecodeError) -> ValueError:
    """What to raise for a column whose bytes are not even text."""
    return ValueError(f"column {name!r} is declared JSON but holds bytes that are not UTF-8: {error}")

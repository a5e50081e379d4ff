"""Frames: equally long typed columns, the form in which plugins think of data.

Source: grafana/grafana-plugin-sdk-go, package data (`frame.go`, `field.go`, `field_type.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graftage.data.field_config import check_config
from graftage.data.frame_meta import check_meta


class FieldType(StrEnum):
    """What a field holds; the value is its name in Grafana's JSON (`typeInfo.frame`)."""

    TIME = "time.Time"
    FLOAT64 = "float64"
    FLOAT32 = "float32"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    STRING = "string"
    BOOL = "bool"
    JSON = "json.RawMessage"
    ENUM = "enum"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The layout of its values.

        Texts are objects, of str; so is JSON, as its text. Times are nanoseconds since 1970 in UTC. What an
        enum holds are indices into its field's `config["type"]["enum"]["text"]`.
        """
        return _DTYPES[self]

    @property
    def is_number(self) -> bool:
        """Is it one of the integer or floating point types?"""
        return self.dtype.kind in "iuf" and self is not FieldType.ENUM

    @property
    def browser_type(self) -> str:
        """What Grafana's browser side calls it, such as `number`."""
        return _BROWSER_TYPES.get(self, "number")


_TEXT: Final = np.dtype(object)
_DTYPES: Final[Mapping[FieldType, np.dtype[Any]]] = {
    FieldType.TIME: np.dtype("datetime64[ns]"),
    FieldType.STRING: _TEXT,
    FieldType.JSON: _TEXT,
    FieldType.BOOL: np.dtype(np.bool_),
    FieldType.ENUM: np.dtype(np.uint16),
} | {kind: np.dtype(kind.value) for kind in FieldType if kind.value.startswith(("int", "uint", "float"))}
_BROWSER_TYPES: Final[Mapping[FieldType, str]] = {
    FieldType.TIME: "time",
    FieldType.STRING: "string",
    FieldType.BOOL: "boolean",
    FieldType.JSON: "other",
    FieldType.ENUM: "enum",
}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One typed column of a frame, as long as the frame has rows.

    values: a flat NumPy array of `type.dtype`. valid: True where a value is present; None when none is
    missing. labels: None is not the same as no labels at all. config: display settings by Grafana's names,
    such as `displayName`; kept as given. nullable: may readers expect missing values? None: as the values
    are; once built it is a bool.
    """

    name: str
    type: FieldType
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    labels: Mapping[str, str] | None = None
    config: Mapping[str, object] | None = None
    nullable: bool | None = None

    def __post_init__(self) -> None:
        if (
            not isinstance(self.values, np.ndarray)
            or self.values.ndim != 1
            or self.values.dtype != self.type.dtype
        ):
            raise ValueError(
                f"field {self.name!r} of type {self.type} has {_described(self.values)} as values; expected "
                f"a flat NumPy array of {self.type.dtype}. frame_from makes frames of other columns"
            )
        if self.valid is not None and (self.valid.shape != self.values.shape or self.valid.dtype != np.bool_):
            raise ValueError(
                f"field {self.name!r} has {len(self.values)} values and {_described(self.valid)} as valid; "
                "expected as many bools"
            )
        if self.type.dtype == _TEXT and not all(
            issubclass(kind, str) for kind in set(map(type, self.values))
        ):
            strange = next(value for value in self.values if not isinstance(value, str))
            raise ValueError(
                f"field {self.name!r} of type {self.type} holds {type(strange).__name__} {strange!r}; "
                "expected str everywhere, and `valid` to tell which are missing"
            )
        self._settle_nullable()
        if any(not isinstance(text, str) for label in (self.labels or {}).items() for text in label):
            raise ValueError(
                f"field {self.name!r} has the labels {self.labels}; expected text for keys and values"
            )
        if self.config is not None:
            try:
                check_config(self.config)
            except ValueError as error:
                raise ValueError(f"field {self.name!r}: {error}") from error

    def _settle_nullable(self) -> None:
        if self.nullable is None:
            object.__setattr__(self, "nullable", self.valid is not None)
        elif not self.nullable and self.valid is not None:
            if not self.valid.all():
                raise ValueError(
                    f"field {self.name!r} is declared not nullable, but its row {self.valid.argmin()} is "
                    "missing; declare it nullable or fill the gaps"
                )
            object.__setattr__(self, "valid", None)

    def __len__(self) -> int:
        return len(self.values)

    def present(self) -> NDArray[np.bool_]:
        """True where a value is present, also when none is missing."""
        return np.ones(len(self.values), np.bool_) if self.valid is None else self.valid


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A table of equally long fields. Libraries of data frames take one through the Arrow PyCapsule protocol.

    ref_id: the query that it answers; filled in for the author where it is empty. meta: by Grafana's names,
    such as `{"type": "timeseries-wide"}`.
    """

    fields: tuple[Field, ...] = ()
    name: str = ""
    ref_id: str = ""
    meta: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        for field in self.fields[1:]:
            if len(field) != len(self.fields[0]):
                raise ValueError(
                    f"frame {self.name!r} mixes lengths: field {self.fields[0].name!r} has "
                    f"{len(self.fields[0])} values, field {field.name!r} has {len(field)}"
                )
        if self.meta is not None:
            try:
                check_meta(self.meta)
            except ValueError as error:
                raise ValueError(f"frame {self.name!r}: {error}") from error

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.fields[0]) if self.fields else 0

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule with the frame as one batch. Source: Apache Arrow, "The Arrow PyCapsule Interface"."""
        from graftage.data.arrow_c.export import export_stream

        return export_stream(self, requested_schema)


def _described(values: object) -> str:
    if isinstance(values, np.ndarray):
        return f"an array of {values.dtype} of shape {values.shape}"
    return f"a {type(values).__name__}"

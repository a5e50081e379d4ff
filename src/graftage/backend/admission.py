"""Settings and queries as objects of an API: are they allowed, and how do they look in another version?

Source: grafana/grafana-plugin-sdk-go, backend/admission.go and backend/conversion.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from graftage.backend.context import PluginContext


class Operation(IntEnum):
    """What is about to happen to an object. The numbers are those on the wire."""

    CREATE = 0
    UPDATE = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class Kind:
    group: str = ""
    version: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused. code: by the codes of HTTP."""

    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """May this be done?

    object_json, old_object_json: whole objects as JSON, empty where there is none. Settings among them hold
    secrets, so they do not show.
    """

    context: PluginContext
    operation: int
    kind: Kind
    object_json: bytes = field(default=b"", repr=False)
    old_object_json: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """object_json: the object as it shall be stored; only an answer to *mutate* has it."""

    allowed: bool
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    object_json: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RawObject:
    raw: bytes = field(repr=False)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """Objects of one group to be had in another version of it."""

    context: PluginContext
    uid: str
    objects: tuple[RawObject, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The objects in the order asked, or why there are none."""

    uid: str
    objects: tuple[RawObject, ...] = ()
    reason: Reason | None = None

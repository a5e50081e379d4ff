"""Settings and queries as objects of an API, as the methods for them get them: `validate_admission`,
`mutate_admission` and `convert_objects`.

    @classmethod
    def validate_admission(cls, request):
        if not request.object["spec"].get("url"):
            raise PermissionError("a weather station needs an address")

A class method is asked without an object of the author's: settings that are just being checked may not be fit
to make one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graftage.backend.admission import Kind
from graftage.sdk.context import RequestContext


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """May this be done?

    operation: an `Operation`, or the number of one that is not known. object, old_object: what it is about
    and what it was before, as JSON objects; None where there is none. They may hold secrets and do not show.
    """

    operation: int
    kind: Kind
    object: dict[str, Any] | None = field(default=None, repr=False)
    old_object: dict[str, Any] | None = field(default=None, repr=False)
    context: RequestContext = field(default_factory=RequestContext)


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """Objects to be had in the version `version` of their group, each a JSON object."""

    objects: tuple[dict[str, Any], ...] = field(repr=False)
    group: str = ""
    version: str = ""
    context: RequestContext = field(default_factory=RequestContext)

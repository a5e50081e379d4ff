"""What a class has beside queries: found without loading what answers it, as it is asked for before the
handshake."""

from __future__ import annotations

import inspect
from typing import Any

from graftage.sdk.handlers import has

RESOURCES = "__graftage_resources__"
STREAM = "__graftage_stream__"
ASGI, WSGI = "asgi", "wsgi"
VALIDATE_ADMISSION, MUTATE_ADMISSION = "validate_admission", "mutate_admission"
CONVERT_OBJECTS = "convert_objects"


def marked(source: object, mark: str) -> dict[str, Any]:
    """What a decorator left as `mark` on the methods of a class, or of an object's class, by their names."""
    owner = source if isinstance(source, type) else type(source)
    found = {name: getattr(inspect.getattr_static(owner, name), mark, None) for name in dir(owner)}
    return {name: value for name, value in found.items() if value is not None}


def answers_resources(source: object) -> bool:
    return has(source, ASGI) or has(source, WSGI) or bool(marked(source, RESOURCES))


def answers_streams(source: object) -> bool:
    return bool(marked(source, STREAM))


def answers_admission(source: object) -> bool:
    return has(source, VALIDATE_ADMISSION) or has(source, MUTATE_ADMISSION)


def converts_objects(source: object) -> bool:
    return has(source, CONVERT_OBJECTS)

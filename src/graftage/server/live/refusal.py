"""Why a command on a channel is refused, in the numbers and words in which clients know it.

Sources: grafana, pkg/services/live/live.go (`subscribeStatusToHTTPError`, `handleOnSubscribe`), for those
like an HTTP status; centrifugal/centrifuge, errors.go, for those from 100 to 399.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from graftage.backend.stream import StreamStatus
from graftage.errors import GraftageError, NotFound, NotImplementedByPlugin, for_log
from graftage.server.callee import Missing


@dataclass(frozen=True, slots=True)
class Refusal:
    """temporary: the same may be granted later, so that clients try again by themselves.

    reason: more than Centrifuge's clients are told, for people; empty where there is no more to say.
    """

    code: int
    message: str
    temporary: bool = False
    reason: str = field(default="", compare=False)


INTERNAL: Final = Refusal(100, "internal server error", temporary=True)
PERMISSION_DENIED: Final = Refusal(103, "permission denied")
UNKNOWN_METHOD: Final = Refusal(104, "method not found")
ALREADY_SUBSCRIBED: Final = Refusal(105, "already subscribed")
LIMIT_EXCEEDED: Final = Refusal(106, "limit exceeded")
BAD_REQUEST: Final = Refusal(107, "bad request")
NOT_AVAILABLE: Final = Refusal(108, "not available")
TOO_MANY_REQUESTS: Final = Refusal(111, "too many requests", temporary=True)

BAD_CHANNEL: Final = Refusal(400, "invalid channel ID")
FORBIDDEN: Final = Refusal(403, "Forbidden")
NOT_FOUND: Final = Refusal(404, "Not Found")
FAILED: Final = Refusal(500, "Internal Server Error")

# The same as the status of an HTTP answer, where it is not one already.
HTTP_STATUS: Final[Mapping[int, int]] = {INTERNAL.code: 503, PERMISSION_DENIED.code: 403}

_BY_STATUS: Final[Mapping[int, Refusal | None]] = {
    StreamStatus.OK: None,
    StreamStatus.NOT_FOUND: NOT_FOUND,
    StreamStatus.PERMISSION_DENIED: FORBIDDEN,
}


def refusal_of_status(status: int) -> Refusal | None:
    """What a plugin's answer means; None if it agrees."""
    return _BY_STATUS.get(status, FAILED)


def refusal_of_error(error: GraftageError | Missing) -> Refusal:
    """Why there is no answer of the plugin.

    Grafana has `INTERNAL` for everything, upon which clients ask again for ever for what will never be there.
    """
    match error:
        case Missing():
            return NOT_FOUND
        case NotFound() | NotImplementedByPlugin():
            return replace(NOT_FOUND, reason=for_log(error))
        case _:
            return replace(INTERNAL, reason=for_log(error))

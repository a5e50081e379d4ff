"""What the server says back: JSON answers, and the one table that turns errors into them.

Which of three content types an answer carries depends, as in Grafana, on who wrote it: a handler, the code
before the handlers, or the binding of request bodies.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from graftage.data.canonical_json import write_json
from graftage.errors import (
    BadRequest,
    Conflict,
    GraftageError,
    NotFound,
    PluginNotRunning,
    PluginTimeout,
    PluginUnavailable,
)

FROM_HANDLER: Final = "application/json"
BEFORE_HANDLER: Final = "application/json; charset=UTF-8"
FROM_BINDING: Final = "application/json; charset=utf-8"

STATUS: Final[dict[type[GraftageError], int]] = {
    BadRequest: 400,
    NotFound: 404,
    Conflict: 409,
    PluginUnavailable: 502,
    PluginNotRunning: 502,
    PluginTimeout: 504,
}


class Refused(GraftageError):
    """A refusal with a status of its own, where the table of errors has none that fits."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BodyRefused(GraftageError):
    """A request body that cannot be bound. It is answered with an array of errors, as JSON text in `body`."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def json_answer(text: str | bytes, status: int = 200, *, media_type: str = FROM_HANDLER) -> Response:
    """An answer of JSON text that is already written."""
    return Response(text, status, media_type=media_type)


def message_answer(message: str, status: int = 200, *, media_type: str = FROM_HANDLER) -> Response:
    """``{"message": …}``, the shape of every short answer."""
    return json_answer(f'{{"message":{write_json(message)}}}', status, media_type=media_type)


def explain(error: GraftageError) -> Response:
    """The one place where an error becomes HTTP."""
    match error:
        case BodyRefused():
            return json_answer(error.body, error.status, media_type=FROM_BINDING)
        case Refused():
            return message_answer(str(error), error.status)
        case _:
            status = STATUS.get(type(error), 500)
            if error.message_id:
                return _identified(error, status)
            return message_answer(str(error), status)


def _identified(error: GraftageError, status: int) -> Response:
    """An error as Grafana 9 and later write those that have a name. There is no trace to look up."""
    text, name = write_json(str(error)), write_json(error.message_id)
    return json_answer(f'{{"message":{text},"messageId":{name},"statusCode":{status},"traceID":""}}', status)


def not_found() -> Response:
    """For a path below ``/api/`` that leads nowhere, and for a known path with another method."""
    return message_answer("Not found", 404, media_type=BEFORE_HANDLER)


def crashed() -> Response:
    """For an exception that nobody expected. The log has it; the answer says only that."""
    # Grafana's own words: clients compare them.
    body = (
        '{"error":"Server Error","message":"Internal Server Error - '
        'Check the Grafana server logs for the detailed error message."}'
    )
    return json_answer(body, 500, media_type=BEFORE_HANDLER)

"""What a handler of a resource returned, as it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graftage.errors import PluginFault
from graftage.sdk.call import Call
from graftage.sdk.content_guess import JSON
from graftage.sdk.handing_on import comes_in_pieces, hand_on
from graftage.sdk.instances import Instance
from graftage.sdk.reply import CONTENT_TYPE, NO_CONTENT, Reply, canonical
from graftage.sdk.resource import ResourceResponse
from graftage.sdk.written_json import write_json


async def send_returned(call: Call, instance: Instance, returned: object, reply: Reply) -> None:
    """Raises PluginFault for what cannot be sent, and what an iterator of the author's raises."""
    response = _response(returned)
    reply.head(response.status, _headers(response))
    if comes_in_pieces(response.body):
        await hand_on(call, instance, response.body, lambda piece: reply.write(_piece(piece)))
    else:
        await reply.write(_body(response.body))
    await reply.end()


async def send_message(
    text: str, status: int, reply: Reply, headers: Mapping[str, str | Sequence[str]] | None = None
) -> None:
    """What went wrong, in the form in which Grafana's own routes say it."""
    response = ResourceResponse({"message": text}, status, headers or {})
    reply.head(response.status, _headers(response))
    await reply.write(_body(response.body))
    await reply.end()


def _response(returned: object) -> ResourceResponse:
    if isinstance(returned, ResourceResponse):
        return returned
    return ResourceResponse(status=NO_CONTENT) if returned is None else ResourceResponse(returned)


def _headers(response: ResourceResponse) -> Iterator[tuple[str, str]]:
    """Raises PluginFault for a header that is no text."""
    if _is_json(response.body) and CONTENT_TYPE not in map(canonical, response.headers):
        yield CONTENT_TYPE, JSON
    for name, values in response.headers.items():
        for value in values if isinstance(values, list | tuple) else (values,):
            if not isinstance(value, str):
                raise PluginFault(f"the header {name!r} is {type(value).__name__}; expected text")
            yield name, value


def _is_json(body: object) -> bool:
    return not (
        body is None or isinstance(body, str | bytes | bytearray | memoryview) or comes_in_pieces(body)
    )


def _body(body: object) -> bytes:
    if _is_json(body):
        return write_json(body, what="what the handler returned")
    return b"" if body is None else _piece(body)


def _piece(piece: object) -> bytes:
    match piece:
        case str():
            return piece.encode("utf-8", "replace")
        case bytes() | bytearray() | memoryview():
            return bytes(piece)
        case _:
            raise PluginFault(
                f"a piece of the answer is {type(piece).__name__}; expected text or bytes; write "
                "what shall be JSON with json.dumps"
            )

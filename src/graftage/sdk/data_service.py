"""The services through which a host asks queries: `models.DatasourcePlugin` of version 1, `pluginv2.Data` of
version 2.

What a service raises is the end of the call, and is left to `Calls`.
"""

from __future__ import annotations

import logging

from graftage.backend.query import Chunk, Result
from graftage.protocol.v1.request import decode_request
from graftage.protocol.v1.response import encode_response
from graftage.protocol.v2.data import decode_query_request, encode_chunk, encode_query_response
from graftage.sdk.calls import Send
from graftage.sdk.dispatch import Dispatcher
from graftage.sdk.log import error_text
from graftage.sdk.runtime import Runtime
from graftage.sdk.tracing import Metadata

log = logging.getLogger(__name__)


class DataServiceV1:
    """`models.DatasourcePlugin`: Grafana 5 to 7."""

    def __init__(self, runtime: Runtime) -> None:
        self._dispatcher = Dispatcher(runtime)

    async def query(self, message: bytes, metadata: Metadata) -> bytes:
        results = await self._dispatcher.answer(decode_request(message), metadata, version=1)
        return b"".join(_encode(result) for result in results)


class DataService:
    """`pluginv2.Data`: Grafana 7 and later."""

    def __init__(self, runtime: Runtime) -> None:
        self._dispatcher = Dispatcher(runtime)

    async def query_data(self, message: bytes, metadata: Metadata) -> bytes:
        request = decode_query_request(message)
        results = await self._dispatcher.answer(request, metadata, version=2)
        return encode_query_response(results, request.frame_format)

    async def query_chunked_data(self, message: bytes, metadata: Metadata, send: Send) -> None:
        request = decode_query_request(message)

        async def send_chunk(chunk: Chunk) -> None:
            await send(encode_chunk(chunk, request.frame_format))

        await self._dispatcher.answer_in_pieces(request, send_chunk, metadata)


def _encode(result: Result) -> bytes:
    """The result as a message of its own; messages one after another are one message with all their results.

    What cannot be written is the error of its query and leaves the others alone.
    """
    try:
        return encode_response((result,))
    except Exception as error:
        log.exception("the answer to %r cannot be written", result.ref_id)
        return encode_response(
            (Result(result.ref_id, error=f"the answer cannot be sent: {error_text(error)}"),)
        )

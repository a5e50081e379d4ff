"""A protocol v1 data source of plain numbers: n series of m points, as fast as they can be had.

The model is `{"series": n, "points": m}`; every series is the same sine, one point a second.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import grpc
import numpy as np
from graftage.protocol.v1.request import decode_request

from graftage.backend.query import Result
from graftage.data.series import Series
from graftage.protocol import rpc
from graftage.protocol.v1.response import encode_response
from graftage.sdk.serving import serve_services

START_MS = 1555324640782
STEP_MS = 1000


def main(_record: str = "") -> None:
    """Serve."""

    async def query(message: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        return b"".join(
            _answer(query.ref_id, model.get("series", 1), model.get("points", 100))
            for query in decode_request(message).queries
            for model in (json.loads(query.json),)
        )

    handlers = {"Query": grpc.unary_unary_rpc_method_handler(query)}
    serve_services({1: [grpc.method_handlers_generic_handler(rpc.DATASOURCE_V1, handlers)]})


@lru_cache(maxsize=8)
def _answer(ref_id: str, series: int, points: int) -> bytes:
    """One result, encoded; responses of protobuf add up when their bytes do."""
    steps = np.arange(points)
    one = Series("series", START_MS + STEP_MS * steps, np.sin(steps / 10) * 100, {"host": "a"})
    return encode_response([Result(ref_id, series=(one,) * series)])

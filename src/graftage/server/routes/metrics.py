"""What the server counted: ``GET /metrics``, as Prometheus text."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from graftage.server.metrics import CONTENT_TYPE, Metrics
from graftage.server.routing import Route


def routes(*, metrics: Metrics) -> list[Route]:
    """metrics: what there is to show."""

    async def show(request: Request) -> Response:
        """GET /metrics"""
        # In a thread: it reads files of /proc.
        return Response(await asyncio.to_thread(metrics.exposition), headers={"content-type": CONTENT_TYPE})

    return [Route("/metrics", {"GET": show}, exact=True)]

"""Whether the server is well: ``/api/health`` for people and load balancers, ``/healthz`` for a plain yes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from graftage.data.canonical_json import write_json
from graftage.server.answers import BEFORE_HANDLER, json_answer
from graftage.server.routing import Route

# Load balancers ask often, and the answer is good for a while. Source: grafana 7.5, pkg/api/health.go.
DATABASE_CHECK_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


def routes(
    *,
    check_database: Callable[[], object],
    reported_version: str,
    clock: Callable[[], float] = monotonic,
) -> list[Route]:
    """check_database: asks the database something, and raises if it does not answer. Runs in another thread.

    reported_version: the Grafana version that this server behaves as. Clients choose by it what they send:
    the common Python and Go clients read it before their first call.
    """
    asked_at = float("-inf")
    database = ""
    asking = asyncio.Lock()

    async def health(request: Request) -> Response:
        """GET /api/health"""
        nonlocal asked_at, database
        async with asking:
            if clock() - asked_at >= DATABASE_CHECK_SECONDS:
                database = await _state(check_database)
                asked_at = clock()
        body = (
            '{\n  "commit": "NA",\n'
            f'  "database": "{database}",\n'
            f'  "version": {write_json(reported_version)}\n}}'
        )
        return json_answer(body, 200 if database == "ok" else 503, media_type=BEFORE_HANDLER)

    async def healthz(request: Request) -> Response:
        """GET /healthz"""
        return PlainTextResponse("Ok")

    return [
        Route("/api/health", {"GET": health}, exact=True),
        Route("/healthz", {"GET": healthz}, exact=True),
    ]


async def _state(check_database: Callable[[], object]) -> str:
    try:
        await asyncio.to_thread(check_database)
    except Exception:
        _log.exception("the database does not answer")
        return "failing"
    return "ok"

"""The server's application without a socket."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp

from graftage.server.app import build_app
from graftage.server.metrics import Metrics
from graftage.server.routing import Route


def app_with(*routes: Route, metrics: Metrics | None = None) -> ASGIApp:
    """The application with these routes and no others."""
    return build_app(routes, metrics=metrics or Metrics(reported_version="7.5.5", own_version="1"))


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """A client whose requests go straight to `app`; ``async with`` closes it."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://server")

"""What pytest finds by itself once graftage is installed: two fixtures and an option.

It is imported whenever pytest starts, and so imports nothing of weight.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from graftage.testing.sync_client import SyncClient

OPTION = "--graftage-update-golden"
UPDATE = "GRAFTAGE_UPDATE_GOLDEN"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("graftage").addoption(
        OPTION, action="store_true", help="write golden files instead of comparing with them"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(OPTION):
        before = os.environ.get(UPDATE)
        os.environ[UPDATE] = "1"
        config.add_cleanup(lambda: _restore(before))


@pytest.fixture
def plugin_client() -> Callable[..., Any]:
    """`async with plugin_client(Weather, settings={...}) as client:`, in tests that are coroutines."""
    from graftage.testing.client import plugin_client as opened

    return opened


@pytest.fixture
def graftage_client() -> Iterator[Callable[..., SyncClient]]:
    """`client = graftage_client(Weather, settings={...})`, in plain tests; closed when the test ends."""
    from graftage.testing.sync_client import SyncClient

    with ExitStack() as stack:

        def start(served: object, **options: Any) -> SyncClient:
            return stack.enter_context(SyncClient(served, **options))

        yield start


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(UPDATE, None)
    else:
        os.environ[UPDATE] = before

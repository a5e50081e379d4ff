"""What all tests need."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import graftage
from support import go

BUILD_SECONDS = 300

# As the package brings a plugin for pytest, pytest compiles its modules anew when they are imported. Python
# 3.11.7 sometimes fails at that in the middle of a test, where many other objects are let go of: so all are
# imported now.
for _module in pkgutil.walk_packages(graftage.__path__, "graftage."):
    if not _module.name.startswith(("graftage.__main__", "graftage.store.migrations")):
        importlib.import_module(_module.name)


@pytest.fixture(scope="session", autouse=True)
def processes_heed_signals() -> None:
    """Processes that tests start heed SIGINT and SIGHUP, although `nohup` and background jobs ignore them.

    What is ignored stays so in every process that is started from here; what is handled does not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for sockets, whose paths may have 107 bytes: that of `tmp_path` can be too long for them."""
    with tempfile.TemporaryDirectory(prefix="graftage-") as folder:
        yield Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need Go programs come last: these are built while the other tests run.

    To wait for that takes minutes where nothing was built before.
    """
    items.sort(key=_needs_go)
    for item in filter(_needs_go, items):
        item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly and any(map(_needs_go, session.items)):
        go.start_builds()


def pytest_unconfigure() -> None:
    go.cancel_builds()


def _needs_go(item: pytest.Item) -> bool:
    """Does its module use something of `support.go`?"""
    module = item.getparent(pytest.Module)
    names = vars(module.obj).values() if module else ()
    return any(getattr(name, "__module__", "") == go.__name__ for name in names)

"""The package's own face: what can be imported from it, and what that costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import graftage

HEAVY = ("numpy", "grpc", "google.protobuf", "msgspec", "asyncio", "logging", "json")


@pytest.mark.parametrize("name", graftage.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(graftage, name) is not None
    assert name in dir(graftage)


def test_an_unknown_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="module 'graftage' has no attribute 'Weather'"):
        graftage.Weather  # noqa: B018


def test_the_smallest_plugin_loads_nothing_heavy_before_it_serves() -> None:
    program = (
        "import sys\n"
        "from graftage import DataSource, query_type, serve\n"
        f"print(*(set({HEAVY}) & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert shown.stdout.split() == []

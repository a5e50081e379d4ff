"""The documentation knows every command, every setting and every route."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from graftage.config import OTHER_VARIABLES, Settings

ROOT = Path(__file__).parents[2]
TEXTS = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
ROUTES = sorted(
    {
        path
        for module in (ROOT / "src/graftage/server/routes").glob("*.py")
        for path in re.findall(r'Route\("([^"]+)"', module.read_text())
    }
)
COMMANDS = sorted(
    {
        name
        for module in (ROOT / "src/graftage/cli").glob("*.py")
        for name in re.findall(r'add_parser\(\s*"([a-z]+)"', module.read_text())
    }
)


def test_there_is_something_to_look_for() -> None:
    assert len(ROUTES) > 5
    assert COMMANDS == ["plugins", "query", "relay", "serve"]


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_documented(route: str) -> None:
    assert f"{route}`" in TEXTS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`graftage {command}`" in TEXTS


@pytest.mark.parametrize("name", [*(field.name for field in dataclasses.fields(Settings)), *OTHER_VARIABLES])
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in TEXTS or f"[{name}." in TEXTS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^):#]+)\)", TEXTS))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists() or (ROOT / "docs" / link).exists()

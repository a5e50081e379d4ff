"""What the host's options put into a plugin's environment, or keep out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graftage.host.launch import StartFailed
from support.nasty import script


async def told(start: Any, folder: Path, names: str, **options: Any) -> tuple[str, ...]:
    """The values of these variables, as a plugin sees them; `-` for one that it does not see."""
    plugin = script(folder, f"for name in {names.split()}: print(os.environ.get(name, '-'), file=sys.stderr)")
    with pytest.raises(StartFailed) as caught:
        async with start(plugin, **options):
            pass
    return caught.value.stderr_tail


async def test_the_host_chooses_the_ports(start: Any, tmp_path: Path) -> None:
    names = "PLUGIN_MIN_PORT PLUGIN_MAX_PORT"
    assert await told(start, tmp_path, names) == ("10000", "25000")
    assert await told(start, tmp_path, names, ports=(11000, 11005)) == ("11000", "11005")


async def test_the_hosts_own_environment_can_be_kept_from_a_plugin(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")
    options = {"environment": {"ZONE": "UTC"}}
    names = "DATABASE_PASSWORD ZONE grafana_plugin_type"
    assert await told(start, tmp_path, names, **options) == ("s3cret", "UTC", "datasource")
    assert await told(start, tmp_path, names, inherit_environment=False, **options) == (
        "-",
        "UTC",
        "datasource",
    )

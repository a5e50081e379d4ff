"""What a plugin of ours prints is one line in the host's log, not two and not none."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from graftage.backend.context import DataSourceSettings, context_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.host.launch import LaunchOptions, launch
from support.wait import eventually_async

SCRIPT = f"""#!{sys.executable}
from graftage import serve

def answer(query):
    print("printed once")
    print("and then the end")

serve(query=answer)
"""


async def test_a_print_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "prints.py"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    caplog.set_level(logging.DEBUG)
    request = QueryRequest(
        TimeRange(0, 1), context_of(DataSourceSettings(1, 1, "a", "prints")), (Query("A"),)
    )

    async with launch(
        script, plugin_id="prints", options=LaunchOptions(), logger=logging.getLogger("prints")
    ) as plugin:
        await plugin.client.query(request, timeout=20)
        await eventually_async(lambda: "and then the end" in caplog.messages, what="the last line")

    assert caplog.messages.count("printed once") == 1

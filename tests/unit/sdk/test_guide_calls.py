"""The guide's examples of settings, resources and streams do what its text says."""

from __future__ import annotations

import json
import re
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graftage.backend.context import DataSourceSettings, PluginContext
from graftage.backend.frames import frames_of
from graftage.backend.query import Query, QueryRequest, TimeRange
from graftage.backend.resource import ResourcePart, ResourceRequest
from graftage.backend.stream import StreamAnswer, StreamRequest, StreamStatus
from graftage.data.frame_json import read_frame_json
from graftage.host.client import PluginClient
from support.served_plugin import served

GUIDE = Path(__file__).parents[3] / "docs" / "sdk.md"
CONTEXT = PluginContext(1, "acme", data_source=DataSourceSettings(7, 1, "weather", "acme", uid="u"))
SECONDS = 10.0


def example(section: str, name: str) -> Any:
    """The class of this name in the first program of a section."""
    text = GUIDE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert program, f"the section {section} has no program"
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(program[1], GUIDE, "exec", dont_inherit=True), names)  # its annotations are no texts
    return names[name]


async def call(client: PluginClient, method: str, path: str, body: bytes = b"") -> ResourcePart:
    asked = ResourceRequest(CONTEXT, path, method, path, body=body)
    parts = [part async for part in client.call_resource(asked, timeout=SECONDS)]
    return ResourcePart(parts[0].code, parts[0].headers, b"".join(part.body for part in parts))


@pytest.mark.parametrize(
    ("json_data", "error"),
    [
        ('{"station": "EDDB", "height": 48}', ""),
        ('{"station": 3}', "Expected `str`, got `int` - at `$.station`"),
    ],
)
async def test_the_settings_of_the_guide(tmp_path: Path, json_data: str, error: str) -> None:
    source = DataSourceSettings(7, 1, "weather", "acme", uid="u", json=json_data)
    asked = QueryRequest(TimeRange(0, 1), replace(CONTEXT, data_source=source), (Query("A", "{}"),))
    async with served(example("Settings", "Weather"), tmp_path) as client:
        (result,) = await client.query(asked, timeout=SECONDS)

    assert error in result.error
    columns = [field.values.tolist() for frame in frames_of(result) for field in frame.fields]
    assert columns == ([] if error else [["EDDB"], [48.0]])


async def test_the_resources_of_the_guide(tmp_path: Path) -> None:
    async with served(example("Resources", "Weather"), tmp_path) as client:
        found = await call(client, "GET", "stations/EDDB")
        missing = await call(client, "GET", "stations/EDDF")
        added = await call(client, "PUT", "stations/EDDF", b'{"height": 111}')
        exported = await call(client, "GET", "export")
        refused = await call(client, "DELETE", "export")

    assert (found.code, json.loads(found.body)) == (200, {"name": "EDDB", "height": 48})
    assert (missing.code, json.loads(missing.body)) == (404, {"message": "there is no station EDDF"})
    assert (added.code, json.loads(added.body)) == (201, {"name": "EDDF"})
    assert exported.headers == {"Content-Type": ("text/csv",)}
    assert exported.body == b"EDDB,48\nEDDF,111\n"
    assert (refused.code, refused.headers["Allow"]) == (405, ("GET, HEAD",))


async def test_the_streams_of_the_guide(tmp_path: Path) -> None:
    asked = StreamRequest(CONTEXT, "rates/EURUSD", b'{"rate": 7}')
    query = QueryRequest(TimeRange(0, 1), CONTEXT, (Query("A", "{}"),))
    async with served(example("Streams", "Rates"), tmp_path) as client:
        (result,) = await client.query(query, timeout=SECONDS)
        secret = StreamRequest(CONTEXT, "rates/secret")
        refused = await client.subscribe_stream(secret, timeout=SECONDS)
        allowed = await client.subscribe_stream(asked, timeout=SECONDS)
        published = await client.publish_stream(asked, timeout=SECONDS)
        async with aclosing(client.run_stream(asked)) as packets:
            first, second = json.loads(await anext(packets)), json.loads(await anext(packets))

    (frame,) = frames_of(result)
    assert frame.meta is not None
    assert frame.meta["channel"] == "ds/u/rates/EURUSD"
    assert (refused.status, allowed) == (StreamStatus.PERMISSION_DENIED, StreamAnswer(StreamStatus.OK))
    assert [field.values.tolist() for field in read_frame_json(published.data).fields] == [["EURUSD"], [7]]
    assert first["data"] == {"values": [["EURUSD"], [1]]}
    assert second == {"data": {"values": [["EURUSD"], [1.1]]}}

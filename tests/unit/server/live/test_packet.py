from __future__ import annotations

import json

import pytest

from graftage.errors import WireError
from graftage.server.live.packet import Packet, opening
from graftage.server.live.packet import read_packet as read

FULL = b'{"schema":{"fields":[{"name":"x"}]},"data":{"values":[[1]]}}'
SCHEMA = '{"fields":[{"name":"x"}]}'


def read_packet(data: bytes) -> Packet:
    return read(data, limit=len(data))


@pytest.mark.parametrize(
    ("data", "schema"),
    [
        (FULL, SCHEMA),
        (b' {"data":{},"schema":{"a":1}}', '{"a":1}'),
        (b'{"data":{"values":[[1]]}}', ""),
        (b'{"schema":null}', ""),
        (b"[1,2]", ""),
        (b'"text"', ""),
        (b"null", ""),
        ('"\u00fc\u2028"'.encode(), ""),
    ],
)
def test_any_json_is_a_packet_and_a_frame_may_have_a_schema(data: bytes, schema: str) -> None:
    assert read_packet(data) == Packet(data.decode(), schema)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1}{}', b"{'a':1}", b"NaN", b'{"a":NaN}', b'{"schema":{]}', b'"\xff"', b"[" * 100_000],
)
def test_what_is_no_json_is_refused_without_being_quoted(data: bytes) -> None:
    with pytest.raises(WireError, match=f"expected one JSON value in a packet of {len(data)} bytes"):
        read_packet(data)


def test_a_packet_that_fits_into_no_queue_is_refused() -> None:
    with pytest.raises(WireError, match="expected at most 10 bytes in a packet, got 11"):
        read(b"[1,2,3,4,5]", limit=10)


@pytest.mark.parametrize("data", [b'{\r\n "a": [\n1]\n}', b'[\n"b\\n"\n]'])
def test_a_packet_is_on_one_line(data: bytes) -> None:
    text = read_packet(data).text
    assert "\n" not in text
    assert "\r" not in text
    assert json.loads(text) == json.loads(data)


@pytest.mark.parametrize(
    ("initial", "schema", "texts"),
    [
        (None, "", []),
        (None, SCHEMA, [f'{{"schema":{SCHEMA}}}']),
        (FULL, "", [FULL.decode()]),
        (FULL, SCHEMA, [FULL.decode()]),
        (b'{"data":{}}', SCHEMA, ['{"data":{}}', f'{{"schema":{SCHEMA}}}']),
        (b'{"schema":{"old":1}}', SCHEMA, ['{"schema":{"old":1}}', f'{{"schema":{SCHEMA}}}']),
    ],
)
def test_a_late_subscriber_is_told_the_schema_unless_the_plugin_told_it(
    initial: bytes | None, schema: str, texts: list[str]
) -> None:
    assert opening(None if initial is None else read_packet(initial), schema) == texts

"""A frame's metadata: what authors may say, what Grafana makes of it, and how it is written."""

from __future__ import annotations

from typing import Any

import pytest

from graftage.data.canonical_json import read_json
from graftage.data.frame import Frame
from graftage.data.frame_meta import check_meta, read_meta, written_meta
from graftage.data.go_json import write_ordered


@pytest.mark.parametrize(
    ("meta", "complaint"),
    [
        ({"typeVersion": "0.1"}, r"meta\.typeVersion is str '0\.1'; expected a list"),
        ({"typeVersion": [0, -1]}, r"meta\.typeVersion\[1\] is int -1"),
        ({"typeVersion": [0.5]}, r"meta\.typeVersion\[0\] is float 0\.5"),
        (
            {"notices": [{"severity": 1}]},
            r"meta\.notices\[0\]\.severity is int 1; expected one of info, warning",
        ),
        ({"notices": [{"severity": "fatal"}]}, r"meta\.notices\[0\]\.severity is str 'fatal'"),
        ({"notices": [{"severity": None}]}, r"meta\.notices\[0\]\.severity is NoneType"),
        (
            {"notices": [{"inspect": "data"}]},
            r"meta\.notices\[0\]\.inspect is str 'data'; expected an integer",
        ),
        ({"notices": ["careful"]}, r"meta\.notices\[0\] is str 'careful'; expected an object"),
        ({"stats": [{"value": "1"}]}, r"meta\.stats\[0\]\.value is str '1'; expected a number"),
        ({"stats": [{"unit": 5, "value": 1}]}, r"meta\.stats\[0\]\.unit is int 5; expected text"),
        ({"type": 5}, r"meta\.type is int 5"),
        ({"executedQueryString": ["x"]}, r"meta\.executedQueryString"),
        ({"uniqueRowIdFields": ["0"]}, r"meta\.uniqueRowIdFields\[0\] is str '0'"),
        ({"custom": 10**400}, r"meta\.custom is int 10+; expected a number that 64 bits can hold"),
        ({"custom": object()}, r"meta\.custom is object .*; expected what JSON can hold"),
    ],
)
def test_what_grafana_would_stumble_over_is_refused_by_key(meta: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_meta(meta)
    with pytest.raises(ValueError, match=f"frame 'load': .*{complaint}"):
        Frame(name="load", meta=meta)


@pytest.mark.parametrize(
    ("meta", "written"),
    [
        ({}, '{"typeVersion":[0,0]}'),
        ({"type": "my-own", "typeVersion": (1,)}, '{"type":"my-own","typeVersion":[1,0]}'),
        ({"typeVersion": [1, 2, "x"]}, '{"typeVersion":[1,2]}'),
        (
            {"path": "", "stats": [], "uniqueRowIdFields": [0]},
            '{"typeVersion":[0,0],"uniqueRowIdFields":[0]}',
        ),
        ({"custom": {}}, '{"typeVersion":[0,0],"custom":{}}'),
        ({"custom": 0}, '{"typeVersion":[0,0],"custom":0}'),
        (
            {"notices": [{"text": "x"}, {"severity": "error", "link": "/a", "inspect": 0}]},
            (
                '{"typeVersion":[0,0],"notices":[{"severity":"info","text":"x"},'
                '{"severity":"error","text":"","link":"/a"}]}'
            ),
        ),
        (
            {"stats": [{"value": 1.5, "displayName": "time", "unit": "ms"}, {}]},
            '{"typeVersion":[0,0],"stats":[{"displayName":"time","unit":"ms","value":1.5},{"value":0}]}',
        ),
        (
            {"traceId": "x", "dataTopic": "annotations"},
            '{"typeVersion":[0,0],"dataTopic":"annotations","traceId":"x"}',
        ),
    ],
)
def test_metadata_is_written_as_go_writes_it(meta: dict[str, object], written: str) -> None:
    assert write_ordered(written_meta(meta)).decode() == written


def test_what_nests_without_end_is_refused() -> None:
    nested: list[object] = []
    nested.append(nested)
    with pytest.raises(ValueError, match=r"meta\.custom nests too deeply"):
        check_meta({"custom": nested})


@pytest.mark.parametrize(
    ("text", "meta"),
    [
        ("null", {"typeVersion": [0, 0]}),
        ('{"typeVersion": null, "TYPE": "table"}', {"type": "table", "typeVersion": [0, 0]}),
        ('{"typeVersion": [3, 4, 5], "unknown": 1}', {"typeVersion": [3, 4]}),
        (
            '{"preferredVisualisationType": "zzz"}',
            {"typeVersion": [0, 0], "preferredVisualisationType": "zzz"},
        ),
    ],
)
def test_metadata_is_read_as_go_reads_it(text: str, meta: dict[str, object]) -> None:
    assert read_meta(read_json(text)) == meta

"""A field's settings: what authors may say, what Grafana makes of them, and how they are written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from graftage.data.canonical_json import read_json
from graftage.data.field_config import check_config, read_config, written_config
from graftage.data.frame import Field, FieldType
from graftage.data.go_json import write_ordered

LINK = {"title": "t", "internal": {"timeRange": {"from": "2024-01-31T09:00:00Z"}}}


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"decimals": -1}, r"config\.decimals is int -1; expected an integer from 0 to 65535"),
        ({"decimals": 1.5}, r"config\.decimals is float 1\.5"),
        ({"decimals": 65536}, r"config\.decimals"),
        ({"decimals": True}, r"config\.decimals is bool True"),
        ({"interval": "5"}, r"config\.interval is str '5'; expected a number"),
        ({"interval": math.nan}, r"config\.interval is float nan; expected a finite number"),
        ({"min": "0"}, r"config\.min is str '0'; expected a number"),
        ({"max": [1]}, r"config\.max"),
        ({"unit": 5}, r"config\.unit is int 5; expected text"),
        ({"Unit": 5}, r"config\.Unit is int 5; expected text"),
        ({"filterable": "yes"}, r"config\.filterable is str 'yes'; expected true or false"),
        ({"displayName": b"x"}, r"config\.displayName"),
        ({"color": "red"}, r"config\.color is str 'red'; expected an object"),
        ({"custom": {"a": {1, 2}}}, r"config\.custom\.a is set .*; expected what JSON can hold"),
        ({"custom": {"a": math.inf}}, r"config\.custom\.a is float inf"),
        ({"custom": {1: "a"}}, r"config\.custom has the key 1; expected text"),
        (
            {"thresholds": {"steps": [{"value": 1}, {"colour": "red"}]}},
            r"thresholds\.steps\[1\]\.colour is unknown",
        ),
        ({"thresholds": []}, r"config\.thresholds is list \[\]; expected an object"),
        (
            {"mappings": [{"type": "regex", "options": {}}]},
            r"mappings\[0\]\.type is str 'regex'; expected one of",
        ),
        ({"mappings": [{"type": 1, "options": {}}]}, r"mappings\[0\]\.type is int 1"),
        ({"mappings": [{"options": {}}]}, r"mappings\[0\]\.type is NoneType"),
        ({"mappings": [{"type": "value"}]}, r"mappings\[0\]\.options is missing"),
        (
            {"mappings": [{"type": "value", "options": {"1": {"index": "0"}}}]},
            r"options\.1\.index is str '0'",
        ),
        ({"mappings": [{"type": "range", "options": {"from": "1"}}]}, r"options\.from is str '1'"),
        ({"links": {"title": "x"}}, r"config\.links is dict"),
        (
            {"links": [{"internal": {"timeRange": {"from": "now"}}}]},
            r"timeRange\.from is str 'now'; expected a time",
        ),
        ({"type": {"enum": {"text": [1]}}}, r"config\.type\.enum\.text\[0\] is int 1"),
        ({5: "x"}, r"config has the key 5"),
    ],
)
def test_what_grafana_would_stumble_over_is_refused_by_key(config: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_config(config)
    with pytest.raises(ValueError, match=f"field 'cpu': .*{complaint}"):
        Field("cpu", FieldType.INT8, np.zeros(0, np.int8), config=config)


@pytest.mark.parametrize(
    ("config", "written"),
    [
        ({}, "{}"),
        ({"unit": "s", "displayName": "d"}, '{"displayName":"d","unit":"s"}'),
        ({"UNIT": "s"}, '{"unit":"s"}'),
        ({"decimals": 0, "interval": 0, "unit": ""}, '{"decimals":0}'),
        ({"filterable": False, "writeable": None}, '{"filterable":false}'),
        ({"min": math.nan, "max": math.inf}, '{"min":null,"max":null}'),
        ({"min": 0, "max": 1e-5}, '{"min":0,"max":1e-05}'),
        ({"interval": 1e-7}, '{"interval":1e-7}'),
        ({"decimals": np.int64(2), "max": np.float32(0.5)}, '{"decimals":2,"max":0.5}'),
        ({"noValue": "<&>"}, r'{"noValue":"\u003c\u0026\u003e"}'),
        ({"color": {}, "custom": {"b": 1, "a": (1.0, None)}}, '{"custom":{"a":[1,null],"b":1}}'),
        (
            {"thresholds": {"steps": [{"value": None, "color": "g"}, {"value": 8, "state": ""}]}},
            '{"thresholds":{"mode":"","steps":[{"value":null,"color":"g"},{"value":8}]}}',
        ),
        (
            {"mappings": [{"type": "value", "options": {"b": {"index": 0}, "a": {"text": "x", "index": 1}}}]},
            '{"mappings":[{"type":"value","options":{"a":{"text":"x","index":1},"b":{}}}]}',
        ),
        (
            {
                "mappings": [
                    {"type": "range", "options": {"to": 2}},
                    {"type": "special", "options": {"match": "nan"}},
                ]
            },
            (
                '{"mappings":[{"type":"range","options":{"to":2,"result":{}}},'
                '{"type":"special","options":{"match":"nan","result":{}}}]}'
            ),
        ),
        (
            {"links": [LINK]},
            (
                '{"links":[{"title":"t","internal":{"timeRange":'
                '{"from":"2024-01-31T09:00:00Z","to":"0001-01-01T00:00:00Z"}}}]}'
            ),
        ),
        ({"type": {"enum": {"text": ["a"], "icon": []}}}, '{"type":{"enum":{"text":["a"]}}}'),
        ({"zebra": {"b": 1, "a": 2}, "unit": "s"}, '{"unit":"s","zebra":{"a":2,"b":1}}'),
    ],
)
def test_settings_are_written_as_go_writes_them(config: dict[str, object], written: str) -> None:
    assert write_ordered(written_config(config)).decode() == written
    assert write_ordered(written_config(written_config(config))).decode() == written


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("null", {}),
        ('{"unknown": 1, "unit": "s"}', {"unit": "s"}),
        ('{"unit": null, "decimals": null, "min": null, "mappings": null, "thresholds": null}', {}),
        ('{"thresholds": {"steps": [null, {"value": "8"}]}}', {"mode": "", "steps": [-math.inf, -math.inf]}),
        ('{"custom": {"a": 9007199254740993, "b": 1.0, "c": -0}}', {"a": 2.0**53, "b": 1.0, "c": -0.0}),
        ('{"mappings": [{"type": "value", "options": null}]}', [{"type": "value", "options": None}]),
    ],
)
def test_settings_are_read_as_go_reads_them(text: str, settings: Any) -> None:
    config = read_config(read_json(text))
    match config:
        case {"thresholds": thresholds}:
            steps = [step["value"] for step in thresholds["steps"]]
            assert {"mode": thresholds["mode"], "steps": steps} == settings
        case {"custom": found} | {"mappings": found}:
            assert found == settings
        case _:
            assert config == settings


@pytest.mark.parametrize(
    "text", ['{"min": 1e400}', '{"interval": 1e400}', '{"decimals": 1.0}', '{"unit": 1}', "[]"]
)
def test_what_go_refuses_to_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"config.* is .*; expected"):
        read_config(read_json(text))

from __future__ import annotations

from graftage.server.ordered_json import JsonText, write_ordered


def test_keys_stay_in_their_order_at_every_level():
    assert write_ordered({"b": 1, "a": [{"z": None, "y": True}], "c": {}}) == (
        '{"b":1,"a":[{"z":null,"y":true}],"c":{}}'
    )


def test_texts_are_escaped_as_go_does():
    assert write_ordered({"<&>": "a\u2028\n\x01é"}) == r'{"\u003c\u0026\u003e":"a\u2028\n\u0001é"}'


def test_what_is_written_already_is_put_in_as_it_is():
    assert write_ordered({"a": JsonText('{"n":1.10}')}) == '{"a":{"n":1.10}}'
